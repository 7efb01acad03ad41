//! Set-up: offline from a folder of wheels, safe to run again and to interrupt, one clear line where it cannot go on.

use std::path::Path;
use std::process::{Command, Output};

use mmnas_tests::c_consumer::workspace_root;

/// Writes a wheel of the package easy-vqa with two files, and a file of pins with its hash.
const MAKE_WHEEL: &str = r#"
import hashlib, sys, zipfile
folder, pins, name = sys.argv[1], sys.argv[2], "easy_vqa-1.0"
wheel = f"{folder}/{name}-py3-none-any.whl"
with zipfile.ZipFile(wheel, "w") as z:
    z.writestr("easy_vqa/data/answers.txt", "yes\nno\n")
    z.writestr("easy_vqa/data/train/questions.json", "[]")
    z.writestr("easy_vqa/elsewhere.py", "")
    z.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: easy-vqa\nVersion: 1.0\n")
    z.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(f"{name}.dist-info/RECORD", "")
digest = hashlib.sha256(open(wheel, "rb").read()).hexdigest()
open(pins, "w").write(f"easy-vqa==1.0 \\\n    --hash=sha256:{digest}\n")
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("wheels")).unwrap();
        let made = Command::new("python3")
            .args(["-c", MAKE_WHEEL])
            .arg(place.path("wheels"))
            .arg(place.path("pins.txt"))
            .status();
        assert!(made.unwrap().success());
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn install(&self, wheels: Option<&Path>) -> Output {
        let mut command = Command::new("python3");
        command.arg(workspace_root().join(".cargo/native/install.py"));
        command.arg("--into").arg(self.path("native")).arg("--pins").arg(self.path("pins.txt"));
        if let Some(wheels) = wheels {
            command.arg("--wheels").arg(wheels);
        }
        command
            .arg("easy_vqa")
            .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
            .env_remove("PIP_FIND_LINKS")
            .output()
            .unwrap()
    }
}

fn assert_one_line(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.trim().lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
}

#[test]
fn it_installs_offline_once_and_says_so() {
    let place = Place::new();
    let first = place.install(Some(&place.path("wheels")));
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(String::from_utf8_lossy(&first.stdout).contains("easy-vqa==1.0"));
    let installed = place.path("native/easy_vqa");
    assert_eq!(std::fs::read_to_string(installed.join("answers.txt")).unwrap(), "yes\nno\n");
    assert!(installed.join("train/questions.json").is_file() && !installed.join("elsewhere.py").exists());
    // Nothing is left to do, so nothing needs the wheels or a network.
    let second = place.install(None);
    assert!(second.status.success() && second.stdout.is_empty());
}

#[test]
fn a_part_without_its_stamp_is_installed_anew() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("native/easy_vqa")).unwrap();
    std::fs::write(place.path("native/easy_vqa/half.txt"), "left by an interrupted run").unwrap();
    std::fs::create_dir_all(place.path("native/.easy_vqa.killed/fresh")).unwrap();
    assert!(place.install(Some(&place.path("wheels"))).status.success());
    assert!(place.path("native/easy_vqa/answers.txt").is_file() && !place.path("native/easy_vqa/half.txt").exists());
    let left = std::fs::read_dir(place.path("native")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let left: std::collections::BTreeSet<String> = left.collect();
    assert_eq!(left, [".lock", "easy_vqa"].map(str::to_owned).into());
}

#[test]
fn an_unreachable_registry_is_one_line() {
    let place = Place::new();
    assert_one_line(&place.install(None), &["easy-vqa", "package index", "WHEELS=DIR"]);
    assert!(!place.path("native/easy_vqa").exists());
}

#[test]
fn a_wheel_with_another_hash_is_not_installed() {
    let place = Place::new();
    let wheel = place.path("wheels/easy_vqa-1.0-py3-none-any.whl");
    let mut content = std::fs::read(&wheel).unwrap();
    content.extend(b"tampered");
    std::fs::write(&wheel, content).unwrap();
    assert_one_line(&place.install(Some(&place.path("wheels"))), &["sha256 differs", "nothing was installed"]);
    assert!(!place.path("native/easy_vqa").exists());
}

#[test]
fn a_missing_tool_or_folder_is_one_line() {
    let place = Place::new();
    assert_one_line(&place.install(Some(Path::new("/nonexistent"))), &["/nonexistent", "not a folder"]);
    let make =
        Command::new("make").args(["setup", "PYTHON=no-such-python"]).current_dir(workspace_root()).output().unwrap();
    let stderr = String::from_utf8_lossy(&make.stderr);
    assert!(!make.status.success() && stderr.starts_with("setup: no-such-python is missing: "), "{stderr}");
}
