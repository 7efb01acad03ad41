//! Published checkpoints become bundles that give what the published code gave; damaged and hostile ones become errors.

use std::path::{Path, PathBuf};

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::{AnswerScores, Dimensions, EmbeddingDimensions, TaskName};
use mmnas_export::Weights;
use mmnas_search::bundle::export::ExportOptions;
use mmnas_search::bundle::import::settings::ImportSettings;
use mmnas_search::bundle::import::{ImportFiles, import};
use mmnas_search::{Error, Result, TensorMap, save_tensors};
use mmnas_tests::alone::alone;
use mmnas_tests::exported::formula_network;
use mmnas_tests::fixtures::{self, tensors, worst_difference};
use mmnas_tests::onnx::OnnxNetwork;
use mmnas_tests::programs;
use tch::Tensor;

const SETTINGS: ImportSettings =
    ImportSettings { task: TaskName::Vqa, max_tokens: None, head: 64, answer_scores: AnswerScores::Sigmoid };

/// 60 words and 17 answers, and where to write.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        let words: Vec<String> =
            ["PAD", "UNK", "CLS"].map(str::to_owned).into_iter().chain((3..60).map(|k| format!("w{k}"))).collect();
        std::fs::write(place.path("words.txt"), words.join("\n")).unwrap();
        let answers: serde_json::Map<String, serde_json::Value> =
            (0..17).map(|k| (format!("answer {k}"), k.into())).collect();
        std::fs::write(place.path("answers.json"), serde_json::Value::from(answers).to_string()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, checkpoint: &Path, out: &str) -> Result<PathBuf> {
        let files = ImportFiles {
            checkpoint: checkpoint.to_path_buf(),
            vocabulary: self.path("words.txt"),
            labels: Some(self.path("answers.json")),
        };
        let architecture = Architecture::read(&fixtures::path("official/tiny.arch.json")).unwrap();
        let out = self.path(out);
        import(&files, &architecture, SETTINGS, None, &out, &ExportOptions::default())?;
        Ok(out)
    }
}

/// The published weights, as a map of tensors.
fn tiny() -> TensorMap {
    let weights = Weights::read(&fixtures::path("official/tiny.zip.pth")).unwrap();
    let tensor = |(name, weight): (&str, &mmnas_export::Weight)| {
        let shape: Vec<i64> = weight.shape.iter().map(|&n| n as i64).collect();
        (name.to_owned(), Tensor::from_slice(&weight.data).view(shape.as_slice()))
    };
    weights.iter().map(tensor).collect()
}

#[test]
fn every_kind_of_checkpoint_gives_the_published_outputs() {
    let place = Place::new();
    let (plain, parallel) = (place.path("plain.safetensors"), place.path("parallel.safetensors"));
    save_tensors(&plain, &tiny(), Default::default()).unwrap();
    let prefixed = tiny().into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    save_tensors(&parallel, &prefixed, Default::default()).unwrap();
    let published = ["tiny.zip.pth", "tiny.legacy.pkl"].map(|name| fixtures::path(&format!("official/{name}")));
    let io = tensors("official/tiny.io.safetensors");
    let names = ["tokens", "token_count", "features", "boxes", "region_count"];
    let values = names.map(|name| (name.to_owned(), io[name].shallow_clone())).into();
    for (number, checkpoint) in published.into_iter().chain([plain, parallel]).enumerate() {
        let bundle = place.import(&checkpoint, &format!("bundle{number}")).unwrap();
        let found = OnnxNetwork::load(&bundle, ".onnx", 2).run(&values);
        let worst = worst_difference(&found["logits"], &io["logits"]);
        assert!(worst <= 1e-5, "{}: {worst}", checkpoint.display());
    }
}

#[test]
fn parameters_that_do_not_fit_are_all_listed_by_name() {
    let place = Place::new();
    let mut wrong = tiny();
    wrong.remove("proj.bias");
    wrong.remove("lstm.weight_hh_l0");
    wrong.insert("proj_norm.b_2".to_owned(), Tensor::zeros([3], (tch::Kind::Float, tch::Device::Cpu)));
    wrong.insert("extra.weight".to_owned(), Tensor::zeros([3], (tch::Kind::Float, tch::Device::Cpu)));
    let file = place.path("wrong.safetensors");
    save_tensors(&file, &wrong, Default::default()).unwrap();
    let error = place.import(&file, "bundle").unwrap_err();
    let Error::Parameters { missing, unexpected, misshaped, .. } = &error else { panic!("{error}") };
    assert_eq!(
        (missing.as_slice(), unexpected.as_slice()),
        (&["lstm.weight_hh_l0".to_owned(), "proj.bias".to_owned()][..], &["extra.weight".to_owned()][..])
    );
    assert_eq!(misshaped, &["proj_norm.b_2 (expected [256], found [3])"]);
    let text = error.to_string();
    for part in [
        "wrong.safetensors",
        "2 missing: lstm.weight_hh_l0, proj.bias",
        "1 unexpected: extra.weight",
        "1 of another shape",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!place.path("bundle").exists());
}

/// Sizes that would make a network of terabytes, and views that make much of little.
#[test]
fn absurd_sizes_are_refused_before_anything_is_made() {
    let place = Place::new();
    let mut huge = tiny();
    huge.insert("imgfeat_linear.weight".to_owned(), Tensor::zeros([1 << 20, 1], (tch::Kind::Float, tch::Device::Cpu)));
    let file = place.path("huge.safetensors");
    save_tensors(&file, &huge, Default::default()).unwrap();
    let error = place.import(&file, "bundle").unwrap_err().to_string();
    assert!(error.contains("imgfeat_linear.weight") && error.contains("H = 1048576"), "{error}");
    // Six numbers become 255 rows of 65,535, all of them the first: 67 MB.
    let mut views = std::fs::read(fixtures::path("../fuzz/corpus/checkpoint/legacy.pkl")).unwrap();
    let shape = views.windows(4).position(|w| w == b"K\x02K\x03").unwrap();
    views.splice(shape..shape + 4, *b"K\xffM\xff\xff");
    let strides = views.windows(4).position(|w| w == b"K\x03K\x01").unwrap();
    views.splice(strides..strides + 4, *b"K\x00K\x00");
    let file = place.path("views.pkl");
    std::fs::write(&file, views).unwrap();
    let error = Weights::read(&file).unwrap_err().to_string();
    assert!(error.contains("views.pkl") && error.contains("in a file of"), "{error}");
}

#[test]
fn a_checkpoint_that_is_cut_anywhere_is_an_error() {
    let place = Place::new();
    let file = place.path("cut.pth");
    for name in ["official/tiny.zip.pth", "official/tiny.legacy.pkl"] {
        let whole = std::fs::read(fixtures::path(name)).unwrap();
        for part in 0..60 {
            std::fs::write(&file, &whole[..whole.len() * part / 60]).unwrap();
            let error = place.import(&file, "bundle").unwrap_err().to_string();
            assert!(error.contains("cut.pth"), "{name} {part}: {error}");
        }
    }
}

/// `cos\nsystem\n(S'touch FILE'\ntR.` and its kin: what a pickle runs where it is trusted.
#[test]
fn a_pickle_runs_nothing() {
    let place = Place::new();
    let (file, mark) = (place.path("evil.pkl"), place.path("mark"));
    let command = format!("touch {}", mark.display());
    let pickles = [
        format!("cos\nsystem\n(S'{command}'\ntR."),
        format!("cposix\nsystem\n(S'{command}'\ntR."),
        format!("c__builtin__\neval\n(S'__import__(\"os\").system(\"{command}\")'\ntR."),
        format!("(dS'state_dict'\ncos\nsystem\n(S'{command}'\ntRs."),
        format!("(S'{command}'\nios\nsystem\n."),
    ];
    for pickle in pickles {
        std::fs::write(&file, &pickle).unwrap();
        let error = place.import(&file, "bundle").unwrap_err().to_string();
        assert!(error.contains("evil.pkl"), "{error}");
        // And behind the beginning of a legacy checkpoint, in the place of the saved object.
        let mut legacy = std::fs::read(fixtures::path("official/tiny.legacy.pkl")).unwrap();
        let object = legacy.windows(10).position(|w| w == b"state_dict").unwrap();
        legacy.truncate(object.saturating_sub(12));
        legacy.extend_from_slice(pickle.as_bytes());
        std::fs::write(&file, &legacy).unwrap();
        assert!(place.import(&file, "bundle").is_err());
    }
    assert!(!mark.exists(), "a command of the pickle was run");
}

#[test]
fn the_command_imports_verifies_and_tells_what_is_missing() {
    let place = Place::new();
    let text = |path: PathBuf| path.display().to_string();
    let (checkpoint, arch) =
        (text(fixtures::path("official/tiny.legacy.pkl")), text(fixtures::path("official/tiny.arch.json")));
    let (words, answers, out) =
        (text(place.path("words.txt")), text(place.path("answers.json")), text(place.path("bundle")));
    let arguments = ["import", "--checkpoint", &checkpoint, "--arch", &arch, "--task", "vqa", "--vocab", &words];
    let with_labels = [&arguments[..], &["--labels", &answers, "--out", &out, "--licence", "Apache-2.0"]].concat();
    let output = programs::run("mmnas-search", &with_labels);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stdout.contains("written and verified (ort-fp32") && output.stdout.contains("ort-int8"),
        "{}",
        output.stdout
    );
    let card = std::fs::read_to_string(place.path("bundle/README.md")).unwrap();
    for part in ["Apache-2.0", "RSA", "17 answers", "| ort-int8 |", "checkpoint", "mmnas verify"] {
        assert!(card.contains(part), "{part}: {card}");
    }
    let info = programs::run("mmnas", &["info", &out, "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!((&info["task"], &info["licence"], &info["opset"]), (&"vqa".into(), &"Apache-2.0".into(), &20.into()));
    assert_eq!(info["measured"].as_array().map(Vec::len), Some(2));
    assert_eq!(programs::run("mmnas", &["info", &out]).code, Some(0));
    let other = text(place.path("other"));
    let without = [&arguments[..], &["--out", &other]].concat();
    let output = programs::run("mmnas-search", &without);
    assert!(output.code == Some(1) && output.stderr.contains("--labels"), "{}", output.stderr);
    let itm =
        ["import", "--checkpoint", &checkpoint, "--arch", &arch, "--task", "itm", "--vocab", &words, "--out", "never"];
    let output = programs::run("mmnas-search", &itm);
    assert!(output.code == Some(1) && output.stderr.contains("of another shape: proj.bias"), "{}", output.stderr);
}

/// A few bytes that ask for matrices of terabytes.
#[test]
fn a_linear_part_larger_than_the_file_is_an_error() {
    let place = Place::new();
    let float = (tch::Kind::Float, tch::Device::Cpu);
    let mut tensors = tiny();
    tensors.insert("embedding.weight".to_owned(), Tensor::zeros([60_000, 1], float));
    tensors.insert("embed_w.weight".to_owned(), Tensor::zeros([1, 600_000], float));
    let file = place.path("large.safetensors");
    save_tensors(&file, &tensors, Default::default()).unwrap();
    let files = ImportFiles { checkpoint: file, vocabulary: place.path("words.txt"), labels: None };
    let architecture = Architecture::read(&fixtures::path("official/tiny.arch.json")).unwrap();
    let settings = ImportSettings { task: TaskName::Vgd, ..SETTINGS };
    let error =
        import(&files, &architecture, settings, None, &place.path("out"), &ExportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("embed_w.weight") && error.to_string().contains("60000 × 600000"), "{error}");
}

/// The sizes of a network that grounds with a linear part follow from its shapes, as all others.
#[test]
fn the_linear_part_of_a_networks_scores_is_imported() {
    let _alone = alone();
    let place = Place::new();
    let architecture = mmnas_search::space::presets::preset("mcan:1").unwrap();
    let d = Dimensions { embeddings: Some(EmbeddingDimensions::Regions { width: 12 }), ..fixtures::official(64, 1) };
    let network = formula_network(TaskName::Vgd, &architecture, &d);
    let tensors: TensorMap = network.parameters().iter().map(|(n, p)| (n.clone(), p.detach().copy())).collect();
    let file = place.path("linear.safetensors");
    save_tensors(&file, &tensors, Default::default()).unwrap();
    let files = ImportFiles { checkpoint: file, vocabulary: place.path("words.txt"), labels: None };
    let settings = ImportSettings { task: TaskName::Vgd, ..SETTINGS };
    let out = place.path("out");
    import(&files, &architecture, settings, None, &out, &ExportOptions::default()).unwrap();
    let bundle = mmnas_bundle::Bundle::open(&out, true).unwrap();
    assert_eq!(bundle.manifest().dimensions, d);
    let image = &bundle.manifest().stages.image;
    assert!(image.outputs.iter().any(|spec| spec.name == "region_embedding"), "{image:?}");
}

/// Arguments that import `checkpoint` to `out`.
fn import_command(place: &Place, checkpoint: &Path, out: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let arch = text(&fixtures::path("official/tiny.arch.json"));
    let (words, answers) = (text(&place.path("words.txt")), text(&place.path("answers.json")));
    let given = [("--checkpoint", text(checkpoint)), ("--arch", arch), ("--task", "vqa".to_owned())];
    let files = [("--vocab", words), ("--labels", answers), ("--out", text(out))];
    let options = given.into_iter().chain(files).flat_map(|(name, value)| [name.to_owned(), value]);
    std::iter::once("import".to_owned()).chain(options).collect()
}

fn run_with(arguments: &[String], more: &[&str]) -> mmnas_tests::c_consumer::Output {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    programs::run("mmnas-search", &arguments)
}

/// Weights whose words differ by next to nothing beside a number that no one reads: 8 bits round it away.
fn unfit_for_8_bits(file: &Path) {
    let mut weights = tiny();
    let mut column = |name: &str, value: f64| {
        let weight = weights.get_mut(name).unwrap();
        let _ = weight.narrow(1, 0, 1).fill_(value);
    };
    column("embedding.weight", 1e4);
    column("lstm.weight_ih_l0", 0.0);
    save_tensors(file, &weights, Default::default()).unwrap();
}

#[test]
fn forms_that_fail_are_left_out_and_told() {
    let place = Place::new();
    let (file, out) = (place.path("unfit.safetensors"), place.path("bundle"));
    unfit_for_8_bits(&file);
    let arguments = import_command(&place, &file, &out);
    let output = run_with(&arguments, &["--variants", "ort-int8,ort-fp32,portable-int8", "--merged", "--json"]);
    assert_eq!(output.code, Some(3), "{}{}", output.stdout, output.stderr);
    for part in ["left out", "ort-int8: text differs by", "portable-int8 (merged): merged differs by"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(told["variants"], serde_json::json!(["ort-fp32"]), "{told}");
    let left_out: Vec<(&str, bool)> = (told["left_out"].as_array().unwrap().iter())
        .map(|graphs| (graphs["variant"].as_str().unwrap(), graphs["merged"].as_bool().unwrap()))
        .collect();
    assert_eq!(left_out, [("ort-int8", false), ("portable-int8", false), ("portable-int8", true)]);
    // What is there is whole, and nothing else is there.
    let bundle = mmnas_bundle::Bundle::open(&out, true).unwrap();
    let manifest = bundle.manifest();
    assert_eq!((manifest.measured.len(), manifest.merged.as_ref().map(|merged| merged.graphs.len())), (1, Some(1)));
    let names: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.contains("int8")) && names.len() == manifest.files.len() + 1, "{names:?}");
    assert_eq!(programs::run("mmnas", &["verify", &out.display().to_string()]).code, Some(0));
    // A Triton repository has one form: another in its place would be no answer.
    let triton = import_command(&place, &file, &place.path("triton"));
    let output = run_with(&triton, &["--variants", "ort-int8,ort-fp32", "--layout", "triton"]);
    assert!(output.code == Some(1) && output.stderr.contains("ort-int8: text differs"), "{}", output.stderr);
    assert!(!place.path("triton").exists());
}

#[test]
fn where_every_form_fails_nothing_is_written() {
    let place = Place::new();
    let (file, out) = (place.path("unfit.safetensors"), place.path("bundle"));
    unfit_for_8_bits(&file);
    let output = run_with(&import_command(&place, &file, &out), &["--variants", "ort-int8"]);
    assert!(output.code == Some(1) && output.stdout.is_empty(), "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("found others: ort-int8: text differs"), "{}", output.stderr);
    assert!(!out.exists());
}

/// A runtime that ends in the middle over one form, as where an engine cannot load it.
#[test]
#[cfg(unix)]
fn a_form_that_does_not_run_is_left_out_and_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let (script, out) = (place.path("runtime.sh"), place.path("bundle"));
    let mmnas = programs::program("mmnas").unwrap();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *\"--variant ort-fp32\"*) ;; *) \
         if [ -e \"$2/text.ort-int8.onnx\" ]; then echo 'text.ort-int8.onnx: loading failed' >&2; exit 1; fi;; esac\n\
         exec {} \"$@\"\n",
        mmnas.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let checkpoint = fixtures::path("official/tiny.zip.pth");
    let arguments = import_command(&place, &checkpoint, &out);
    let output = run_with(&arguments, &["--runtime", &script.display().to_string()]);
    assert_eq!(output.code, Some(3), "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("ort-int8: text.ort-int8.onnx: loading failed"), "{}", output.stderr);
    assert!(output.stdout.contains("written and verified (ort-fp32"), "{}", output.stdout);
    assert!(!output.stdout.contains("int8"), "{}", output.stdout);
}

/// A deviation without a mean, or of other features.
#[test]
fn a_broken_standardisation_is_named() {
    let place = Place::new();
    let file = place.path("broken.safetensors");
    let float = (tch::Kind::Float, tch::Device::Cpu);
    let mut weights = tiny();
    weights.insert("feature_norm.std".to_owned(), Tensor::ones([64], float));
    save_tensors(&file, &weights, Default::default()).unwrap();
    let error = place.import(&file, "bundle").unwrap_err().to_string();
    assert!(error.contains("feature_norm.mean: expected [64], found none"), "{error}");
    weights.insert("feature_norm.mean".to_owned(), Tensor::ones([63], float));
    save_tensors(&file, &weights, Default::default()).unwrap();
    let error = place.import(&file, "bundle").unwrap_err().to_string();
    assert!(error.contains("feature_norm.mean: expected [64], found [63]"), "{error}");
}
