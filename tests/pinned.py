"""What the committed studies are, written down: their keys, and the numbers of the smallest.

A change of code that leaves the meaning of every stage alone leaves all of this alone. It may change in two cases only:
a version that is raised on purpose, because a stage means something else, or a study whose file says something else.
The commit that does so says why, and renews the numbers here from the study computed anew.
"""

# By study: how many stages, and the SHA-256 of their keys, a line each, in the order of the plan.
STAGES = {
    "gpu": (420, "194a51beb231d8b1a6a6783388a398f25ef0070718b1201d52a4f1dcba891819"),
    "laptop": (49, "b2339ff4d710709785c86efc4a1871498d3be82bf4ecdd21e092a2bf14740a22"),
    "paper": (1781, "814f76b5ce8724fc32905b44c35f704893504a4f703c0697ddc31dd0d402e864"),
    "pretrained-cpu": (74, "bd841646546a035f6b23e635727cf0ac1caf9a474f472a858f8d05ee5b84c799"),
    "published": (709, "e1e4437221df5ac64501f05f002e7b2b3b7b81d2c06ef384f2c99c4e6eac0062"),
    "smoke": (57, "9101d871393c51668a7a994c45a9de39ec665a7f5dfe106e392b3f00571a2ded"),
}

# What any processor finds in `smoke`: the validation losses of language models, nats a token, and gold's correlation with
# human ratings. With bfloat16 and without, with AVX2 and AVX-512, they lay within 0.0006 and 0.003 of these.
LANGUAGE_MODEL_LOSS = {"1k": 6.2233, "7k": 5.9019, "judge": 5.8916}
GOLD_PEARSON = 0.2207

# Then policies draw their first texts. A last bit now and then turns one token into another, gold and proxies of a minute
# learn from what follows, and curves of two processors differ by up to 0.7 SDs of gold and 0.25 of proxy. On one kind of
# processor every run finds the same bits: here one of Intel's with AMX.
PROCESSOR = ("AVX512", True)  # torch's word for its vector instructions; whether it has AMX
CURVES = (  # method, parameters of the proxy, n or step, KL (nats), gold, proxy (base-policy SDs)
    ("bon", 896, 1, 0.0, 0.0, 0.0),
    ("bon", 896, 2, 0.1931, 0.2782, 0.1648),
    ("bon", 896, 4, 0.6363, 0.4785, 0.2774),
    ("bon", 896, 8, 1.2044, 0.5693, 0.3283),
    ("bon", 896, 16, 1.8351, 0.5836, 0.34),
    ("bon", 896, 32, 2.497, 0.5846, 0.344),
    ("bon", 896, 64, 3.1745, 0.6122, 0.347),
    ("bon", 7296, 1, 0.0, 0.0, 0.0),
    ("bon", 7296, 2, 0.1931, 0.2847, 0.1745),
    ("bon", 7296, 4, 0.6363, 0.5079, 0.2976),
    ("bon", 7296, 8, 1.2044, 0.6408, 0.3566),
    ("bon", 7296, 16, 1.8351, 0.7086, 0.3705),
    ("bon", 7296, 32, 2.497, 0.7237, 0.3733),
    ("bon", 7296, 64, 3.1745, 0.7253, 0.3749),
    ("ppo", 896, 0, 0.0, -0.0329, 0.0024),
    ("ppo", 896, 2, 0.1777, 0.3113, 0.1969),
    ("ppo", 896, 3, 0.2886, 0.3883, 0.2434),
    ("ppo", 896, 4, 0.7393, 0.3126, 0.2074),
    ("ppo", 896, 5, 0.9851, 0.4864, 0.2447),
    ("ppo", 896, 7, 1.2998, 0.5038, 0.3071),
    ("ppo", 896, 8, 1.1789, 0.572, 0.31),
    ("ppo", 7296, 0, 0.0, -0.0329, 0.0005),
    ("ppo", 7296, 2, 0.1765, 0.283, 0.2166),
    ("ppo", 7296, 3, 0.2738, 0.3742, 0.2669),
    ("ppo", 7296, 4, 0.6475, 0.4287, 0.1733),
    ("ppo", 7296, 5, 1.0037, 0.5435, 0.2775),
    ("ppo", 7296, 7, 1.3102, 0.5437, 0.3508),
    ("ppo", 7296, 8, 1.3976, 0.5134, 0.3028),
)
