"""How `make` sets up an environment: from a complete lock, without noise, and again where it was left half made."""

import hashlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NO_FOLDER = "/nonexistent/wheels"


def wheel(folder: Path, name: str, version: str, *, requires: str = "", size: int = 0) -> str:
    """Write a wheel with no code but *size* bytes of data, and return the line of a lock that pins it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    requirement = f"Requires-Dist: {requires}\n" if requires else ""
    extra = "Provides-Extra: more\nRequires-Dist: unlocked ; extra == 'more'\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirement}{extra}"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}.bin", bytes(size))
        archive.writestr(f"{info}/RECORD", f"{name}.bin,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass(frozen=True)
class Project:
    """A copy of what `make` sets up environments by, beside wheels and without an index."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / ".ci" / "locks" / "tools.txt"

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def command(self, *arguments: str) -> list[str]:
        return [str(shutil.which("make")), f"PYTHON={sys.executable}", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        wheels = f"{self.folder} {NO_FOLDER}"
        return {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels, "PIP_QUIET": "1", **more}

    def make(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return self.run(self.command(*arguments or [".venv/.tools"]), **more)

    def run(self, command: list[str], **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 (our own Makefile)
            command,
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> set[str]:
        return {path.name.split("-")[0] for path in self.venv.glob("lib/python*/site-packages/*.dist-info")} - {"pip"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with nothing in it, which takes seconds to make; to be copied."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, ROOT / ".ci" / "environment.py", "make", folder / ".venv"], check=True)  # noqa: S603 (ours)
    return folder / ".venv"


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """Return a project that make has not set up."""
    project = Project(tmp_path)
    project.lock.parent.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / ".ci" / "environment.py", tmp_path / ".ci")
    project.lock.write_text(wheel(tmp_path, "alpha", "1.0", requires="beta[more]") + wheel(tmp_path, "beta", "1.0"))
    wheel(tmp_path, "beta", "2.0")
    return project


@pytest.fixture
def project(bare: Project, made: Path) -> Project:
    """Return a project with an empty environment."""
    shutil.copytree(made, bare.venv, symlinks=True)
    return bare


@pytest.mark.process
def test_a_release_after_the_lock_and_an_extra_change_nothing(project: Project) -> None:
    """What a lock does not name is not asked for, whatever the index has by now."""
    done = project.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert project.installed() >= {"alpha", "beta"}
    assert "unlocked" not in project.installed()
    assert list(project.venv.glob("lib/python*/site-packages/beta-1.0.dist-info"))


@pytest.mark.process
def test_what_make_says_is_three_plain_lines(bare: Project) -> None:
    """The folders that a machine configures for pip, and that lack a package, are not the user's affair."""
    made, installing, ready = bare.make().stdout.splitlines()
    assert made.startswith(".venv: making it for Python 3.")
    assert installing == ".venv: installing the 2 packages of .ci/locks/tools.txt"
    assert ready.startswith(".venv: ready after ")
    assert bare.make().stdout == "make: '.venv/.tools' is up to date.\n"


@pytest.mark.process
def test_a_terminal_shows_how_far_it_is(project: Project) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 (our own Makefile)
        project.command(".venv/.tools"), cwd=project.folder, env=project.environment(), stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:
            os.close(ours)  # the other side is closed: Linux's way to say the end
    lines = [line for line in re.split(r"[\r\n]+", said.decode().replace("\033[K", "")) if line]
    assert "fetched 0 of 2" in lines
    assert max(map(len, lines)) < 80
    assert lines[-1].startswith(".venv: ready after ")


@pytest.mark.process
def test_a_package_that_the_lock_lacks_is_named(project: Project) -> None:
    project.lock.write_text(wheel(project.folder, "alpha", "1.0", requires="beta"))
    done = project.make()
    assert done.returncode
    assert "alpha 1.0 requires beta, which is not installed." in done.stderr
    assert not (project.venv / ".tools").exists()


@pytest.mark.process
def test_an_error_of_pip_is_shown_without_its_asides(project: Project) -> None:
    project.lock.write_text("alpha==1.0 --hash=sha256:" + "0" * 64 + "\n")
    done = project.make()
    assert done.returncode
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert ".venv: .ci/locks/tools.txt was not installed" in done.stderr
    assert "is ignored" not in done.stdout + done.stderr
    assert not (project.venv / ".unfinished").exists(), "nothing was installed, so what was there before is whole"


@pytest.mark.process
@pytest.mark.parametrize("lost", ["lib/python*/site-packages/pip", "bin/python*", ".made"])
def test_an_environment_that_lost_a_part_is_made_anew(project: Project, lost: str) -> None:
    (project.venv / ".tools").touch()
    assert "up to date" in project.make("--dry-run", ".venv/.tools").stdout
    for path in project.venv.glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    said = project.make("--dry-run", ".venv/.tools").stdout
    assert f"{sys.executable} .ci/environment.py make .venv\n" in said
    assert f"{sys.executable} .ci/environment.py install .venv .ci/locks/tools.txt  && touch .venv/.tools\n" in said


@pytest.mark.process
def test_an_installation_that_was_cut_off_begins_anew(project: Project) -> None:
    """No package is left half written, which pip would take for installed."""
    for name in (".unfinished", "rubbish"):
        (project.venv / name).touch()
    done = project.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert not {".unfinished", "rubbish"} & {path.name for path in project.venv.iterdir()}
    assert project.installed() >= {"alpha", "beta"}


@pytest.mark.process
def test_ctrl_c_while_pip_fetches_leaves_what_the_next_run_mends(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with subprocess.Popen(  # noqa: S603 (our own Makefile)
            project.command(".venv/.tools"),
            cwd=project.folder,
            env=project.environment(PIP_FIND_LINKS=index),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as running:
            asked, _ = silent.accept()
            os.killpg(running.pid, signal.SIGINT)
            said, _ = running.communicate()
            asked.close()
    assert ".venv: interrupted; run make again\n" in said
    assert "Traceback" not in said
    assert ".ci/environment.py make .venv\n" in project.make("--dry-run", ".venv/.tools").stdout


@pytest.mark.process
def test_a_full_disk_leaves_what_the_next_run_mends(project: Project) -> None:
    """A file that may not grow is how a disk that is full looks to pip, in the middle of a package."""
    project.lock.write_text(wheel(project.folder, "alpha", "1.0", size=200_000))
    limited = ["sh", "-c", 'ulimit -f 128; exec "$@"', "sh", *project.command(".venv/.tools")]
    done = project.run(limited)
    assert done.returncode
    assert "File too large" in done.stderr
    assert ".venv: .ci/locks/tools.txt was not installed" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ".ci/environment.py make .venv\n" in project.make("--dry-run", ".venv/.tools").stdout


def test_a_folder_that_cannot_be_made_says_why(bare: Project) -> None:
    bare.venv.write_text("a file")
    done = bare.make()
    assert done.returncode
    assert f"Not a directory: '{bare.venv}'\n.venv was not made\n" in done.stderr
    assert "python3-venv" not in done.stderr


@pytest.mark.process
def test_a_file_that_cannot_be_written_is_named_in_one_line(project: Project) -> None:
    (project.venv / ".unfinished").symlink_to("/nonexistent/file")
    done = project.make()
    assert done.returncode
    said = ".venv: [Errno 2] No such file or directory: '.venv/.unfinished'; correct this and run make again\n"
    assert done.stderr.startswith(said)


def test_a_python_without_venv_names_the_package_of_debian(bare: Project) -> None:
    """Debian ships Python without ensurepip, which its package python3-venv adds."""
    (bare.folder / "debian").mkdir()
    (bare.folder / "debian" / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None")
    done = bare.make(PYTHONPATH=str(bare.folder / "debian"))
    assert done.returncode
    assert done.stderr.startswith(
        f"{sys.executable} cannot make .venv; Debian and Ubuntu need: apt install python3-venv\n"
    )
    assert not bare.venv.exists()


@pytest.mark.process
def test_another_python_that_is_named_gets_an_environment_of_its_own(project: Project) -> None:
    """The one that is there is kept where none is named, or the same."""
    (project.venv / ".tools").touch()
    another = project.folder / "another-python"
    another.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'print(\"another\")'\n")
    another.chmod(0o755)
    plain = project.run([str(shutil.which("make")), "--dry-run", ".venv/.tools"])
    assert "up to date" in plain.stdout
    assert "up to date" in project.make("--dry-run", ".venv/.tools").stdout
    said = project.make("--dry-run", f"PYTHON={another}", ".venv/.tools").stdout
    assert said.startswith(f"{another} .ci/environment.py make .venv\n")
    named = project.run([str(shutil.which("make")), "--dry-run", ".venv/.tools"], PYTHON=str(another))
    assert named.stdout == said


@pytest.mark.process
def test_a_python_that_is_not_there_leaves_the_environment_alone(project: Project) -> None:
    (project.venv / ".tools").touch()
    done = project.make("PYTHON=/nonexistent/python3", ".venv/.tools")
    assert done.returncode
    assert "/nonexistent/python3: No such file" in done.stderr
    assert (project.venv / ".made").exists()


@pytest.mark.parametrize("target", ["demo", "bench"])
def test_rides_are_split_as_a_shell_splits_words(bare: Project, target: str) -> None:
    for name in ("month 1.parquet", "2.parquet", "3.parquet", "pyproject.toml"):
        (bare.folder / name).touch()
    (bare.venv / "bin").mkdir(parents=True)
    for command in ("python", "stream-consumer"):
        (bare.venv / "bin" / command).write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
        (bare.venv / "bin" / command).chmod(0o755)
    for lock in ("dev", "local"):
        bare.lock.with_name(f"{lock}.txt").touch()
    for stamp in (".made", ".dev", ".local"):
        (bare.venv / stamp).touch()
    done = bare.run([str(shutil.which("make")), target, "RIDES='month 1.parquet' [0-9].parquet", "TRAIN=s3://a/b"])
    assert (done.returncode, done.stderr) == (0, "")
    words = done.stdout.splitlines()
    assert words[words.index("--rides") :] == [
        *("--rides", "month 1.parquet", "--rides", "2.parquet", "--rides", "3.parquet", "--train", "s3://a/b"),
    ]


def test_the_help_fits_80_columns_and_leaves_out_no_word(bare: Project) -> None:
    help_ = bare.make("help").stdout
    assert [line for line in help_.splitlines() if len(line) > 80] == []
    documented = re.findall(r"^([a-z-]+):.*## (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(documented) > 20
    assert help_.split() == [word for target, meaning in documented for word in (target, *meaning.split())]


def test_the_help_of_a_target_names_others_by_their_names(bare: Project) -> None:
    """A target's place in the list may change, and others come between."""
    assert not re.search(r"of the above|both of these|the same tests", " ".join(bare.make("help").stdout.split()))
    assert "check run lint, words, types, imports and test" in " ".join(bare.make("help").stdout.split())


def test_bytecode_that_may_not_lie_beside_the_sources_is_kept_in_the_environment(bare: Project) -> None:
    """Without bytecode each of the processes that `make test` starts compiles scikit-learn and MLflow anew."""
    seen = bare.make("--eval=seen: ; @env", "seen", PYTHONDONTWRITEBYTECODE="1").stdout.splitlines()
    assert f"PYTHONPYCACHEPREFIX={bare.venv}/bytecode" in seen
    assert "PYTHONDONTWRITEBYTECODE" not in "\n".join(seen)
    assert "PYTHONPYCACHEPREFIX" not in bare.make("--eval=seen: ; @env", "seen").stdout


ENGINE = "docker or podman or buildah"


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("deploy", f"ENV=…, terraform, {ENGINE}"),
        ("plan", "ENV=…, terraform"),
        ("promote", "ENV=…, FROM=…, terraform, skopeo"),
        ("publish", f"ENV=…, terraform, {ENGINE}"),
        ("rollback", "ENV=…, terraform"),
        ("smoke", "ENV=…, terraform"),
        ("destroy", "ENV=…, terraform"),
        ("web-test", "node, npm, chromium"),
        ("workflows", "node, npm"),
        ("integration-local", f"{ENGINE}, node, npm"),
        ("integration", "docker"),
        ("image", ENGINE),
        ("image-test", ENGINE),
        ("infra-test", "terraform"),
        ("infra-apply-local", "terraform"),
    ],
)
def test_what_is_missing_is_said_in_one_line_before_anything_is_installed(
    bare: Project, target: str, wanted: str
) -> None:
    (bare.folder / "bin").mkdir()
    done = bare.make(target, PATH=str(bare.folder / "bin"))
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.endswith(f" *** make {target} needs {wanted}.  Stop.")
    assert not bare.venv.exists()


def test_what_is_there_is_not_asked_for(bare: Project) -> None:
    """One of several tools will do, and a variable on the command line counts."""
    (bare.folder / "bin").mkdir()
    (bare.folder / "bin" / "podman").symlink_to("/bin/sh")
    done = bare.make("deploy", PATH=str(bare.folder / "bin"), ENV="dev")
    assert done.stderr.endswith(" *** make deploy needs terraform.  Stop.\n")
