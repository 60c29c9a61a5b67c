from pathlib import Path

from reactor.execution.mirror import make_mirror, remove_mirror


def test_sources_are_copied_other_files_linked_and_environments_left_out(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for folder in ("functions/deep", ".venv/lib", "node_modules", ".reactor"):
        (root / folder).mkdir(parents=True)
    (root / "schema.py").write_text("old")
    (root / "functions/deep/a.py").write_text("old")
    (root / "functions/deep/words.txt").write_text("old")
    (root / ".venv/pyvenv.cfg").touch()
    (root / ".venv/lib/b.py").touch()
    (root / "node_modules/c.py").touch()
    mirror = root / ".reactor" / "code-1"

    make_mirror(root, mirror)
    for path in ("schema.py", "functions/deep/a.py", "functions/deep/words.txt"):
        (root / path).write_text("new")

    files = sorted(str(path.relative_to(mirror)) for path in mirror.rglob("*") if not path.is_dir())
    assert files == ["functions/deep/a.py", "functions/deep/words.txt", "schema.py"]
    assert (mirror / "schema.py").read_text() == "old"
    assert (mirror / "functions/deep/a.py").read_text() == "old"
    assert (mirror / "functions/deep/words.txt").read_text() == "new"


def test_removing_a_mirror_spares_what_it_links_to(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "data.txt").write_text("kept")
    make_mirror(root, tmp_path / "mirror")
    remove_mirror(tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()
    assert (root / "data.txt").read_text() == "kept"
