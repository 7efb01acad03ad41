//! Errors of texts that are no recipe.

use std::path::Path;

use crate::recipe::Recipe;

const TEXT: &str = include_str!("../../experiments/easy_vqa/easy_vqa.toml");

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion() {
    let error = Recipe::parse(TEXT, Path::new("r.toml"), &["retrain.epoch=3".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("r.toml") && error.contains("did you mean `epochs`?"), "{error}");
    let error = Recipe::parse(TEXT, Path::new("r.toml"), &["retrian.epochs=3".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("did you mean `retrain`?"), "{error}");
}

#[test]
fn a_wrong_key_or_value_is_named_with_its_place() {
    let read = |text: &str, set: &[&str]| {
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        Recipe::parse(text, Path::new("r.toml"), &set).unwrap_err().to_string()
    };
    let place = |word: &str| {
        let line = TEXT.lines().position(|line| line.starts_with(word)).unwrap() + 1;
        format!("r.toml: line {line}, column 1: ")
    };
    let text = TEXT.replace("alpha_from_epoch =", "alpha_from =");
    assert!(read(&text, &[]).starts_with(&(place("alpha_from_epoch") + "search.alpha_from: ")), "{}", read(&text, &[]));
    let text = TEXT.replace("alpha_from_epoch = 1", "alpha_from_epoch = \"1\"");
    let error = read(&text, &[]);
    assert!(error.starts_with(&(place("alpha_from_epoch") + "search.alpha_from_epoch: expected a value")), "{error}");
    let text = TEXT.replace("alpha_batch = 64\n", "");
    let error = read(&text, &[]);
    assert!(error.contains(": search: ") && error.contains("missing field `alpha_batch`"), "{error}");
    for set in ["retrain.epochs=\"3\"", "retrain.epoch=3", "nowhere.epoch=3", "search.strategy={ kind = \"x\" }"] {
        let key = set.split('=').next().unwrap();
        let error = read(TEXT, &["seed=3", set]);
        assert!(error.starts_with(&format!("r.toml: --set {key}: expected")), "{error}");
    }
    // The file that holds it, of those that the recipe is made of.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("base.toml"), TEXT.replace("alpha_from_epoch =", "alpha_from =")).unwrap();
    let top = folder.path().join("top.toml");
    std::fs::write(&top, "base = \"base.toml\"\nseed = 3\n").unwrap();
    let error = Recipe::read(&top, &[]).unwrap_err().to_string();
    assert!(error.contains("base.toml: line "), "{error}");
}

#[test]
fn values_out_of_range_are_named() {
    for (set, word) in [
        ("retrain.hidden=100", "multiple of model.head"),
        ("retrain.adam.lr=-1.0", "adam.lr"),
        ("search.weights.clip=0.0", "clip"),
        ("space.decoder=2000", "space.decoder"),
        ("split.alpha=0.9", "split"),
        ("retrain.batch=0", "retrain.batch"),
        ("search.alpha.betas=[0.0, 1.0]", "betas"),
        ("retrain.warmup=[0.0]", "warmup"),
        ("search.finals={ networks = 0 }", "search.finals.networks"),
        ("search.finals={ networks = 17 }", "search.finals.networks"),
        ("search.finals={ networks = 2, rates = [] }", "search.finals.rates"),
        ("search.finals={ networks = 2, rates = [1.0, 0.0] }", "search.finals.rates"),
        ("search.finals={ networks = 2, rates = [2.0, 1.0, 2.0] }", "search.finals.rates"),
        ("search.finals={ networks = 2, rates = [1001.0] }", "search.finals.rates"),
        ("search.finals={ networks = 2, epochs = 0 }", "search.finals.epochs"),
        ("model.dropout=1.0", "dropout"),
        ("retrain.average=1.0", "average"),
        ("search.weights.average=0.9", "search.weights.average"),
        ("retrain.epoch_samples=0", "epoch_samples"),
        ("itm.shortlist={ images = 0, candidates = 1 }", "itm.shortlist.images"),
        ("vgd.linear={ width = 0, deviation = 1.0, ridges = { image_ridge = 1.0, text_ridge = 1.0 } }", "linear.width"),
        ("vgd.linear={ width = 8, deviation = 0.0, ridges = { image_ridge = 1.0, text_ridge = 1.0 } }", "deviation"),
        (
            "vgd.linear={ width = 8, deviation = 1.0, ridges = { image_ridge = 0.0, text_ridge = 1.0 } }",
            "ridges.image_ridge",
        ),
        ("itm.contrastive={ width = 0, weight = 1.0, temperature = 0.1 }", "itm.contrastive.width"),
        ("contrastive={ width = 8, weight = 1.0, temperature = 0.0 }", "itm.contrastive.temperature"),
    ] {
        let error = Recipe::parse(TEXT, Path::new("r.toml"), &[set.to_owned()]).unwrap_err().to_string();
        let key = set.split('=').next().unwrap();
        assert!(error.starts_with(&format!("r.toml: --set {key}: ")) && error.contains(word), "{set}: {error}");
    }
    // Two values that do not go together.
    let sets = [
        "itm.contrastive={ width = 8, weight = 1.0, temperature = 0.1, cosine_init = false }",
        "retrain.negatives={ pool = 9, keep = 5, from_epoch = 2, mine_from_epoch = 0 }",
    ];
    let error = Recipe::parse(TEXT, Path::new("r.toml"), &sets.map(str::to_owned)).unwrap_err().to_string();
    assert!(error.contains("itm.contrastive.cosine_init: expected true, or no negatives.from_epoch"), "{error}");
    // Where a file has the value, its line is told, and of which stage it is.
    for (from, to, word) in [
        ("batch = 64\nwarmup = [0.5]\n\n", "batch = 64\nclip = 0.0\nwarmup = [0.5]\n\n", "search.weights.clip"),
        ("adam = { lr = 5e-4", "adam = { lr = 0.0", "retrain.adam.lr"),
        ("alpha_every = 2", "alpha = { lr = 0.0 }\nalpha_every = 2", "search.alpha.lr"),
    ] {
        let text = TEXT.replace(from, to);
        let error = Recipe::parse(&text, Path::new("r.toml"), &[]).unwrap_err().to_string();
        let line = text.lines().zip(TEXT.lines()).position(|(wrong, right)| wrong != right).unwrap() + 1;
        let (place, field) =
            (format!("r.toml: line {line}, column "), format!(": {word}: expected a number above 0, found 0"));
        assert!(error.starts_with(&place) && error.ends_with(&field), "{error}");
    }
}

/// An old key is read as today's, and an error names it as the file does.
#[test]
fn old_keys_are_read_and_named_as_they_stand() {
    let parse = |text: &str, set: &[&str]| {
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        Recipe::parse(text, Path::new("r.toml"), &set).map_err(|e| e.to_string())
    };
    let old = format!("{TEXT}\n[contrastive]\nwidth = 8\nhead_alone = true\nweight = 1.0\ntemperature = 0.1\n");
    let new = format!("{TEXT}\n[itm.contrastive]\nwidth = 8\ncosine_init = false\nweight = 1.0\ntemperature = 0.1\n");
    assert_eq!(parse(&old, &[]).unwrap(), parse(&new, &[]).unwrap());
    let set = |old: &str, new: &str, text: &str| assert_eq!(parse(text, &[old]).unwrap(), parse(text, &[new]).unwrap());
    set("text.min_answer_count=3", "vqa.min_answer_count=3", TEXT);
    set("contrastive.head_alone=false", "itm.contrastive.cosine_init=true", &old);
    set("contrastive.width=9", "itm.contrastive.width=9", &old);
    let line = TEXT.lines().count() + 3;
    let error = parse(&old.replace("width = 8", "width = 0"), &[]).unwrap_err();
    let place = format!("r.toml: line {line}, column 1: contrastive.width: expected 1 to 4096");
    assert!(error.starts_with(&place), "{error}");
    let error = parse(&old, &["contrastive.width=0"]).unwrap_err();
    assert!(error.starts_with("r.toml: --set contrastive.width: expected 1 to 4096"), "{error}");
    // What is gone is no key any more.
    let error = parse(TEXT, &["regions.correlate={ image_ridge = 1.0, text_ridge = 1.0 }"]).unwrap_err();
    assert!(error.contains("--set regions.correlate") && error.contains("unknown field"), "{error}");
}
