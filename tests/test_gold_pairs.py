"""What gold is trained on: pairs that differ in their text, not in whether it ends."""

from overopt.gold import ending_alike

EOS = 2


def test_pairs_end_alike():
    real = [[1, 5, 6, 7, EOS], [1, 5, 6, 7], [1, 5, 6, EOS], [1, 5, 6, 7, 8]]
    spoilt = [[1, 5, 9, 9], [1, 5, EOS], [1, 5, EOS], [1, 5, 9, 9]]
    good, bad = ending_alike(real, spoilt, EOS)
    assert good == [[1, 5, 6], [1, 5], [1, 5, 6, EOS], [1, 5, 6, 7, 8]]
    assert bad == [[1, 5, 9], [1, 5], [1, 5, EOS], [1, 5, 9, 9]]
    assert all((g[-1] == EOS) == (b[-1] == EOS) for g, b in zip(good, bad, strict=True))
