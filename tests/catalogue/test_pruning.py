"""Which records may be removed after a source was read."""

from __future__ import annotations

from catalens.catalogue.sources.pruning import Pruning, plan_pruning
from catalens.core.folders import Missed

KNOWN = [f"{at:03}.jpg" for at in range(100)]


def test_what_the_source_no_longer_has_goes() -> None:
    assert plan_pruning(KNOWN, set(KNOWN[3:])) == Pruning(gone=tuple(KNOWN[:3]))
    assert plan_pruning(KNOWN, {*KNOWN, "new.jpg"}) == Pruning()


def test_records_of_other_sources_stay() -> None:
    known = [*(f"a/{one}" for one in KNOWN), *KNOWN]
    met = {f"a/{one}" for one in KNOWN[1:]}
    assert plan_pruning(known, met, prefix="a/").gone == ("a/000.jpg",)


def test_below_a_folder_that_could_not_be_listed_nothing_goes() -> None:
    known = ["p/sub/a.jpg", "p/sub/deep/b.jpg", "p/subway.jpg", "p/c.jpg"]
    pruning = plan_pruning(known, {"p/c.jpg", "p/sub"}, Missed(["sub"]), prefix="p/")
    assert pruning == Pruning(gone=("p/subway.jpg",), kept=("p/sub/a.jpg", "p/sub/deep/b.jpg"), hidden_in=("sub",))


def test_below_an_empty_folder_nothing_goes() -> None:
    known = ["p/mount/a.jpg", "p/mount/deep/b.jpg", "p/c.jpg", "p/d.jpg"]
    pruning = plan_pruning(known, {"p/d.jpg"}, Missed(empty=["mount"]), prefix="p/", max_share=1.0)
    assert pruning == Pruning(gone=("p/c.jpg",), kept=("p/mount/a.jpg", "p/mount/deep/b.jpg"), hidden_in=("mount",))


def test_a_large_share_goes_only_when_it_is_allowed() -> None:
    refused = plan_pruning(KNOWN, set(KNOWN[40:]))
    assert refused.gone == ()
    assert str(refused.refusal).startswith("40 of 100 records would be removed, more than 30%, so none was")
    assert "--prune-more-than 0.40" in str(refused.refusal)
    refused = plan_pruning(KNOWN, set(KNOWN[29:]), max_share=0.2)
    assert "--prune-more-than 0.29" in str(refused.refusal)
    assert plan_pruning(KNOWN, set(KNOWN[29:]), max_share=0.29).gone == tuple(KNOWN[:29])  # 0.29 * 100 is below 29
    assert plan_pruning(KNOWN, set(KNOWN[40:]), max_share=0.4).gone == tuple(KNOWN[:40])
    assert plan_pruning(KNOWN[:12], set(KNOWN[:2])).gone == tuple(KNOWN[2:12])  # ten may always go


def test_an_empty_source_and_rows_without_ids_remove_nothing() -> None:
    assert "is empty" in str(plan_pruning(KNOWN, set()).refusal)
    assert "is empty" in str(plan_pruning(KNOWN, {""}, max_share=1.0).refusal)
    assert "no readable id" in str(plan_pruning(KNOWN, {"", *KNOWN[1:]}).refusal)
    assert plan_pruning([], {""}) == Pruning()
