"""What the committed studies are, written down: their keys, and the numbers of the smallest.

A change of code that leaves the meaning of every stage alone leaves all of this alone. It may change in two cases only:
a version that is raised on purpose, because a stage means something else, or a study whose file says something else.
The commit that does so says why, and renews the numbers here from the study computed anew.
"""

# By study: how many stages, and the SHA-256 of their keys, a line each, in the order of the plan.
STAGES = {
    "gpu": (420, "194a51beb231d8b1a6a6783388a398f25ef0070718b1201d52a4f1dcba891819"),
    "laptop": (42, "ce003f1f7b78e0433eef029402a7c8f62a93e757041870e861687dcb68a50afc"),
    "paper": (1781, "814f76b5ce8724fc32905b44c35f704893504a4f703c0697ddc31dd0d402e864"),
    "pretrained-cpu": (74, "bd841646546a035f6b23e635727cf0ac1caf9a474f472a858f8d05ee5b84c799"),
    "published": (709, "e1e4437221df5ac64501f05f002e7b2b3b7b81d2c06ef384f2c99c4e6eac0062"),
    "smoke": (56, "ed1a4274fa1793dcaa85da0904bf1936e16aefc1d51f480e4a62d9c4c38fc454"),
}

# What any processor finds in `smoke`: the validation losses of language models, nats a token, and gold's correlation with
# human ratings. With bfloat16 and without, with AVX2 and AVX-512, they lay within 0.0006 and 0.003 of these.
LANGUAGE_MODEL_LOSS = {"1k": 5.4009, "7k": 5.0917}
GOLD_PEARSON = 0.2117

# Then policies draw their first texts. A last bit now and then turns one token into another, gold and proxies of a minute
# learn from what follows, and curves of two processors differ by up to 0.7 SDs of gold and 0.25 of proxy. On one kind of
# processor every run finds the same bits: here one of Intel's with AMX.
PROCESSOR = ("AVX512", True)  # torch's word for its vector instructions; whether it has AMX
CURVES = (  # method, parameters of the proxy, n or step, KL (nats), gold, proxy (base-policy SDs)
    ("bon", 896, 1, 0.0, 0.0, 0.0),
    ("bon", 896, 2, 0.1931, 0.175, 0.0988),
    ("bon", 896, 4, 0.6363, 0.3836, 0.155),
    ("bon", 896, 8, 1.2044, 0.5765, 0.1909),
    ("bon", 896, 16, 1.8351, 0.654, 0.2087),
    ("bon", 896, 32, 2.497, 0.5976, 0.2167),
    ("bon", 896, 64, 3.1745, 0.3752, 0.2228),
    ("bon", 7296, 1, 0.0, 0.0, 0.0),
    ("bon", 7296, 2, 0.1931, 0.2414, 0.169),
    ("bon", 7296, 4, 0.6363, 0.5125, 0.3042),
    ("bon", 7296, 8, 1.2044, 0.8087, 0.3938),
    ("bon", 7296, 16, 1.8351, 1.0482, 0.4471),
    ("bon", 7296, 32, 2.497, 1.1575, 0.4892),
    ("bon", 7296, 64, 3.1745, 1.1691, 0.5273),
    ("ppo", 896, 0, 0.0, -0.2626, -0.0445),
    ("ppo", 896, 2, 0.4343, 0.2117, 0.1088),
    ("ppo", 896, 3, 0.9017, 0.522, 0.1095),
    ("ppo", 896, 4, 1.6549, 0.7022, 0.1858),
    ("ppo", 896, 5, 2.7817, 0.933, 0.1975),
    ("ppo", 896, 6, 3.3016, 0.8482, 0.2016),
    ("ppo", 7296, 0, 0.0, -0.2626, -0.0713),
    ("ppo", 7296, 2, 0.5225, 0.458, 0.2284),
    ("ppo", 7296, 3, 1.1982, 0.5417, 0.2618),
    ("ppo", 7296, 4, 2.0242, 0.8313, 0.3597),
    ("ppo", 7296, 5, 3.5724, 0.9019, 0.3786),
    ("ppo", 7296, 6, 3.6029, 1.1136, 0.388),
)
