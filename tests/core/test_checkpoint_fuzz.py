import pytest
from checkpoint_fuzzer import damaged, fault, originals


@pytest.mark.parametrize("count, seed", [(150, 1), pytest.param(1000, 0, marks=pytest.mark.slow)])
def test_damaged_files_load_and_work_or_are_refused_in_one_line(tmp_path, count, seed):
    contents = [path.read_bytes() for path in originals(tmp_path)]
    assert not any(fault(path) for path in sorted(tmp_path.iterdir()))
    path, faults = tmp_path / "damaged.safetensors", []
    for content in damaged(contents, count, seed):
        path.write_bytes(content)
        faults += [told] if (told := fault(path)) else []
    assert not faults
