"""Any filter, and any fields for it to look at."""

from __future__ import annotations

from hypothesis import strategies as st

from catalens.core.filters import And, Compare, Exists, Like, Not, OneOf, Or

names = st.sampled_from(["a", "b", 'quo"te', "back\\slash", "per%22cent", "dot.ted", "$[0]", "ünï 😀", "new\nline"])
values = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1]),
    st.sampled_from([-1.0, -0.0, 0.5, 1.0, 2.0**53, 1e300, -1e-300, 0.1, 1 / 3]),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.sampled_from(["", "a", "A", "ä", "Ä", "1", "true", "null", 'q"', "\\", "\n", "😀", "\uffff"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3),
)
ordered = values.filter(lambda value: not isinstance(value, bool))
leaves = st.one_of(
    st.builds(Compare, names, st.sampled_from(["=", "!="]), values),
    st.builds(Compare, names, st.sampled_from(["<", "<=", ">", ">="]), ordered),
    st.builds(OneOf, names, st.lists(values, max_size=4).map(tuple)),
    st.builds(Exists, names),
    st.builds(Like, names, st.text("aAä_%\\", max_size=5)),
)
filters = st.recursive(
    leaves,
    lambda part: st.one_of(
        st.builds(And, st.lists(part, max_size=3).map(tuple)),
        st.builds(Or, st.lists(part, max_size=3).map(tuple)),
        st.builds(Not, part),
    ),
    max_leaves=6,
)
records = st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=5)
