"""What is a file of a dataset by its name, and what lies below a folder."""

import glob
import os

import pytest

from geopt.data.file_names import files_below, names_in

TREE = ("0.bin", "a/1.bin", "a/b/2.bin", "a/b/3.pcd", "c[1]/4.bin", "d e/ü.bin")


def write(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def below(root, pattern="**/*"):
    return [path.relative_to(root).as_posix() for path in files_below(root, pattern)]


@pytest.mark.parametrize(
    "pattern", ["**/*", "*", "*.bin", "*/*.bin", "a/**/*", "**/b/*.pcd", "**/[0-2].bin", "d e/*", "x/*", "a/b/2.bin"]
)
def test_patterns_mean_what_they_mean_to_a_shell(pattern, tmp_path):
    write(tmp_path, TREE)
    expected = [name for name in glob.glob(pattern, root_dir=tmp_path, recursive=True) if (tmp_path / name).is_file()]
    assert sorted(below(tmp_path, pattern)) == sorted(expected)


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    write(tmp_path / "disk", ["1.bin"])
    write(tmp_path / "root", ["a/0.bin"])
    (tmp_path / "root" / "b").symlink_to(tmp_path / "disk")
    (tmp_path / "root" / "a" / "up").symlink_to(tmp_path / "root")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "root" / "a")
    assert below(tmp_path / "root") == ["a/0.bin", "b/1.bin", "b/back/0.bin"]


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "drive_2").symlink_to("/nowhere/drive_2")
    with pytest.raises(FileNotFoundError, match="drive_2 is a link that leads nowhere; mend it"):
        below(tmp_path)


def test_hidden_files_and_pipes_are_no_files_of_a_dataset(tmp_path):
    write(tmp_path, ["0.bin", "._0.bin", ".trash/1.bin"])
    os.mkfifo(tmp_path / "2.bin")
    assert below(tmp_path) == ["0.bin"]


def test_names_of_files_of_one_kind(tmp_path):
    write(tmp_path, ["1.bin", "0.bin", "._0.bin", "times.txt"])
    (tmp_path / "9.bin").mkdir()
    assert names_in("kitti", tmp_path, ".bin") == ["0", "1"]
    assert names_in("kitti", tmp_path / "nowhere", ".bin") == []


@pytest.mark.parametrize(
    "name, suffix",
    [("1.BIN", ".bin"), ("1.bin.gz", ".bin"), ("1.bin.ZIP", ".bin"), ("1.pkl", ".pkl.gz"), ("1.PKL.gz", ".pkl.gz")],
)
def test_files_whose_names_would_leave_them_out_are_refused(name, suffix, tmp_path):
    write(tmp_path, [f"0{suffix}", name])
    with pytest.raises(ValueError, match=rf"kitti: .*{name} must end in {suffix},"):
        names_in("kitti", tmp_path, suffix)
