//! The installed tree: found by pkg-config and CMake wherever it is, packaged for Debian, no larger than it may be.

use std::path::Path;
use std::process::Command;

use mmnas_bundle::manifest::TaskName;
use mmnas_runtime::{LoadOptions, Model};
use mmnas_tests::c_consumer::{Library, has_program, workspace_root};
use mmnas_tests::header;
use mmnas_tests::programs::onnxruntime;
use mmnas_tests::skipped::skip;

use crate::{GIVEN, text};

/// Bytes of the shared library as it is installed.
const MOST: u64 = 6_500_000;

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

/// Runs the example that does every task, and compares with the Rust runtime.
fn tasks_agree(program: &Path) {
    let question = "what is this?";
    for bundle in [&GIVEN.vqa, &GIVEN.itm, &GIVEN.vgd] {
        let mut command = Command::new(program);
        command.arg(bundle).arg(question).arg(&GIVEN.image).env("MMNAS_ORT_DYLIB", onnxruntime());
        let found = succeed(command.env_remove("LD_LIBRARY_PATH"));
        let model = Model::load(bundle, &LoadOptions::default()).unwrap();
        let image = model.encode_image_file(&GIVEN.image).unwrap();
        let (first, number) = match model.manifest().task {
            TaskName::Vqa => {
                let best = model.answer(&image, question, 3).unwrap().swap_remove(0);
                (best.label, best.probability)
            }
            TaskName::Vgd => {
                let best = model.ground(&image, question, 3).unwrap().swap_remove(0);
                (String::new(), best.probability)
            }
            TaskName::Itm => {
                let text = model.encode_text(question).unwrap();
                (String::new(), model.match_pairs(&[(&image, &text)]).unwrap()[0].probability)
            }
        };
        let fields: Vec<&str> = found.lines().next().unwrap_or_default().split('\t').collect();
        assert!(first.is_empty() || fields[1] == first, "{found}");
        let printed: f32 = fields.last().unwrap().parse().unwrap_or_else(|e| panic!("{found}: {e}"));
        assert!((printed - number).abs() < 1e-4, "{found}: {number}");
    }
}

#[test]
fn pkg_config_builds_the_examples_both_ways() {
    if !has_program("pkg-config") {
        return skip("the pkg-config files", "pkg-config is not installed");
    }
    let (library, folder) = (Library::build().unwrap(), tempfile::tempdir().unwrap());
    let examples = library.prefix.join("share/doc/mmnas-runtime/examples");
    for name in ["mmnas-runtime", "mmnas-runtime-static"] {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.args(["--cflags", "--libs", name]).env("PKG_CONFIG_PATH", library.lib().join("pkgconfig"));
        let flags = succeed(&mut pkg_config);
        for (compiler, source) in [("cc", "answer.c"), ("cc", "ground.c"), ("cc", "retrieve.c"), ("c++", "tasks.cpp")] {
            let program = folder.path().join(format!("{name}-{source}.out"));
            let mut cc = Command::new(compiler);
            cc.arg(examples.join(source)).arg("-o").arg(&program).args(flags.split_whitespace());
            succeed(cc.arg(format!("-Wl,-rpath,{}", library.lib().display())));
        }
        tasks_agree(&folder.path().join(format!("{name}-tasks.cpp.out")));
    }
}

#[test]
fn cmake_builds_the_examples_both_ways() {
    if !has_program("cmake") {
        return skip("the CMake package", "cmake is not installed");
    }
    let (library, folder) = (Library::build().unwrap(), tempfile::tempdir().unwrap());
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(library.prefix.join("share/doc/mmnas-runtime/examples")).arg("-B").arg(folder.path());
    succeed(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", library.prefix.display())));
    succeed(Command::new("cmake").arg("--build").arg(folder.path()));
    for program in ["tasks", "tasks_static"] {
        tasks_agree(&folder.path().join(program));
    }
    let scratch = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(folder.path().join(program));
        succeed(command.args(arguments).env("MMNAS_ORT_DYLIB", onnxruntime()).env_remove("LD_LIBRARY_PATH"))
    };
    let picture = scratch.path().join("boxes.png");
    let ground = [text(&GIVEN.vgd), text(&GIVEN.image), "what is this?", text(&picture)];
    assert_eq!(run("ground", &ground).lines().count(), 3);
    assert!(image::open(&picture).is_ok());
    let index = scratch.path().join("index");
    let retrieve = [text(&GIVEN.itm), text(&index), "what is this?", text(&GIVEN.image)];
    for program in ["retrieve", "retrieve_static"] {
        assert!(run(program, &retrieve).trim().ends_with("image.png"));
    }
    assert_eq!(run("answer", &[text(&GIVEN.vqa), text(&GIVEN.image), "what?"]).lines().count(), 3);
}

#[test]
fn what_is_installed_is_small_and_whole() {
    let library = Library::build().unwrap();
    let bytes = library.shared().metadata().unwrap().len();
    assert!(bytes <= MOST, "{bytes} bytes");
    let documents = library.prefix.join("share/doc/mmnas-runtime");
    for name in ["LICENSE-APACHE", "LICENSE-MIT", "NOTICE", "examples/answer.c", "examples/CMakeLists.txt"] {
        assert!(documents.join(name).is_file(), "{name}");
    }
    let notice = std::fs::read_to_string(documents.join("NOTICE")).unwrap();
    for linked in ["\nort ", "\ntokenizers ", "\nusearch ", "\nimage ", "\nNoto Sans ", "SIL OPEN FONT LICENSE"] {
        assert!(notice.contains(linked), "{linked:?}");
    }
    // Nothing in the tree knows where it was made.
    let first = library.prefix.with_file_name("first");
    for name in ["lib/pkgconfig/mmnas-runtime.pc", "lib/cmake/mmnas_runtime/mmnas_runtimeConfig.cmake"] {
        let content = std::fs::read_to_string(library.prefix.join(name)).unwrap();
        assert!(!content.contains(text(&first)) && !content.contains('@'), "{content}");
    }
}

/// What abidiff says of a library that has what a header declares.
fn beside_the_last_abi(text: &str) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("stub.c"), folder.path().join("libmmnas_runtime.so"));
    std::fs::write(&source, header::stub(text)).unwrap();
    std::fs::write(folder.path().join("mmnas_runtime.h"), text).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-g", "-shared", "-fPIC"]).arg(&source).arg("-o").arg(&library);
    succeed(&mut cc);
    let baseline = workspace_root().join("ffi/packaging/abi.xml");
    // What is new breaks no program.
    Command::new("abidiff").arg("--no-added-syms").arg(&baseline).arg(&library).output().unwrap()
}

#[test]
fn programs_that_were_linked_to_the_last_abi_still_run() {
    if !has_program("abidiff") {
        return skip("the ABI beside the last one", "abidiff (abigail-tools) is not installed");
    }
    let committed = std::fs::read_to_string(header::path(&workspace_root())).unwrap();
    let stub = header::stub(&committed);
    assert_eq!(stub.matches("abort();").count(), header::functions(&committed).len());
    let output = beside_the_last_abi(&committed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // Another type, and a function that is gone, are found.
    let other = committed.replacen("int32_t provider", "double provider", 1);
    let without = committed.replace("mmnas_abi_version(", "mmnas_other_version(");
    for changed in [other, without] {
        assert_ne!(changed, committed);
        assert!(!beside_the_last_abi(&changed).status.success());
    }
}

#[test]
fn the_debian_package_links_a_program() {
    for tool in ["cargo-deb", "dpkg-deb", "dpkg-architecture", "pkg-config"] {
        if !has_program(tool) {
            return skip("the Debian package", &format!("{tool} is not installed"));
        }
    }
    Library::build().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut make = Command::new("make");
    succeed(make.arg("deb").env("CARGO_TARGET_DIR", target).current_dir(workspace_root()));
    let package = target.join("debian").read_dir().unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let package = package.into_iter().find(|path| path.extension().is_some_and(|e| e == "deb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    succeed(Command::new("dpkg-deb").arg("-x").arg(&package).arg(folder.path()));
    let control = succeed(Command::new("dpkg-deb").arg("-f").arg(&package));
    assert!(control.contains("Package: libmmnas-runtime") && control.contains("libstdc++6"), "{control}");
    let triple = succeed(Command::new("dpkg-architecture").arg("-qDEB_HOST_MULTIARCH"));
    let lib = folder.path().join("usr/lib").join(triple.trim());
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(["--cflags", "--libs", "mmnas-runtime"]).env("PKG_CONFIG_PATH", lib.join("pkgconfig"));
    let flags = succeed(&mut pkg_config);
    let program = folder.path().join("tasks");
    let mut cc = Command::new("c++");
    cc.arg(workspace_root().join("ffi/examples/tasks.cpp")).arg("-o").arg(&program).args(flags.split_whitespace());
    succeed(cc.arg(format!("-Wl,-rpath,{}", lib.display())));
    tasks_agree(&program);
}
