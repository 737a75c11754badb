from checkpoint_fuzzer import damaged, fault, originals


def test_a_thousand_damaged_files_load_and_work_or_are_refused_in_one_line(tmp_path):
    contents = [path.read_bytes() for path in originals(tmp_path)]
    assert not any(fault(path) for path in sorted(tmp_path.iterdir()))
    path, faults = tmp_path / "damaged.safetensors", []
    for content in damaged(contents, 1000, seed=0):
        path.write_bytes(content)
        faults += [told] if (told := fault(path)) else []
    assert not faults
