"""What the committed studies are, written down: their keys, and the numbers of the smallest.

A change of code that leaves the meaning of every stage alone leaves all of this alone. It may change in two cases only:
a version that is raised on purpose, because a stage means something else, or a study whose file says something else.
The commit that does so says why, and renews the numbers here from the study computed anew.
"""

# By study: how many stages, and the SHA-256 of their keys, a line each, in the order of the plan.
STAGES = {
    "gpu": (420, "194a51beb231d8b1a6a6783388a398f25ef0070718b1201d52a4f1dcba891819"),
    "laptop": (68, "be850b69cd3a1a36bb7a94f44b568a1ae013aae6c2514bd05708c0ae5f99a754"),
    "methods": (352, "6d7464827faf32d7cc89afbd76a29adbb07983fd7d338ff3f89fe0642345c692"),
    "paper": (1781, "fbcb0fa71e2d17b4baa8fa62b11e331db3a3cb09f089d518e5f99adc2e15356e"),
    "pretrained-cpu": (74, "bd841646546a035f6b23e635727cf0ac1caf9a474f472a858f8d05ee5b84c799"),
    "published": (790, "051021dadac3e950426e7a24f3e300f1f451893ab880291825076d01938c8504"),
    "smoke": (60, "5d2291adfee14a926a7ac172e777d4c26439fb6fda170dd68daae158e5c5ba61"),
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
    ("bon", 896, 2, 0.1931, 0.2877, 0.1778),
    ("bon", 896, 4, 0.6363, 0.4929, 0.2961),
    ("bon", 896, 8, 1.2044, 0.5779, 0.3472),
    ("bon", 896, 16, 1.8351, 0.5835, 0.3586),
    ("bon", 896, 32, 2.497, 0.5857, 0.3624),
    ("bon", 896, 64, 3.1745, 0.6324, 0.3653),
    ("bon", 7296, 1, 0.0, 0.0, 0.0),
    ("bon", 7296, 2, 0.1931, 0.2946, 0.1894),
    ("bon", 7296, 4, 0.6363, 0.5222, 0.3213),
    ("bon", 7296, 8, 1.2044, 0.6499, 0.3834),
    ("bon", 7296, 16, 1.8351, 0.7066, 0.3977),
    ("bon", 7296, 32, 2.497, 0.7055, 0.4004),
    ("bon", 7296, 64, 3.1745, 0.674, 0.4017),
    ("ppo", 896, 0, 0.0, -0.0302, -0.0015),
    ("ppo", 896, 2, 0.1817, 0.2617, 0.1992),
    ("ppo", 896, 4, 0.6894, 0.3963, 0.2358),
    ("ppo", 896, 5, 0.9687, 0.4313, 0.28),
    ("ppo", 896, 7, 1.4711, 0.4873, 0.3377),
    ("ppo", 896, 8, 1.2709, 0.578, 0.3184),
    ("ppo", 7296, 0, 0.0, -0.0302, 0.0009),
    ("ppo", 7296, 2, 0.1979, 0.2912, 0.2263),
    ("ppo", 7296, 3, 0.2829, 0.3447, 0.3016),
    ("ppo", 7296, 4, 0.7358, 0.4112, 0.2231),
    ("ppo", 7296, 5, 0.9657, 0.4624, 0.3119),
    ("ppo", 7296, 7, 1.3413, 0.5958, 0.3857),
    ("ppo", 7296, 8, 1.2726, 0.7155, 0.3633),
)
