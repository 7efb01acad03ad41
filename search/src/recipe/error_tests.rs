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
    let text = TEXT.replace("alpha_from_epoch = 1\n", "");
    let error = read(&text, &[]);
    assert!(error.contains(": search: ") && error.contains("missing field `alpha_from_epoch`"), "{error}");
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
        ("model.dropout=1.0", "dropout"),
        ("model.hide={ words = 1.0 }", "model.hide"),
        ("retrain.average=1.0", "average"),
        ("search.weights.average=0.9", "search.weights.average"),
        ("retrain.epoch_samples=0", "epoch_samples"),
        ("text.shortlist={ images = 0, candidates = 1 }", "text.shortlist.images"),
        (
            "regions.linear={ width = 0, deviation = 1.0, ridges = { image_ridge = 1.0, text_ridge = 1.0 } }",
            "linear.width",
        ),
        (
            "regions.linear={ width = 8, deviation = 0.0, ridges = { image_ridge = 1.0, text_ridge = 1.0 } }",
            "deviation",
        ),
        (
            "regions.linear={ width = 8, deviation = 1.0, ridges = { image_ridge = 0.0, text_ridge = 1.0 } }",
            "ridges.image_ridge",
        ),
        ("contrastive={ width = 0, weight = 1.0, temperature = 0.1 }", "contrastive.width"),
        ("contrastive={ width = 8, weight = 1.0, temperature = 0.0 }", "contrastive.temperature"),
    ] {
        let error = Recipe::parse(TEXT, Path::new("r.toml"), &[set.to_owned()]).unwrap_err().to_string();
        let key = set.split('=').next().unwrap();
        assert!(error.starts_with(&format!("r.toml: --set {key}: ")) && error.contains(word), "{set}: {error}");
    }
    // Two values that do not go together.
    let sets = [
        "contrastive={ width = 8, weight = 1.0, temperature = 0.1, head_alone = true }",
        "retrain.negatives={ pool = 9, keep = 5, from_epoch = 2, mine_from_epoch = 0 }",
    ];
    let error = Recipe::parse(TEXT, Path::new("r.toml"), &sets.map(str::to_owned)).unwrap_err().to_string();
    assert!(error.contains("contrastive.head_alone: expected false, or no negatives.from_epoch"), "{error}");
    // Where a file has the value, its line is told, and of which stage it is.
    for (from, to, word) in [
        (
            "clip = 1.0\nwarmup = [0.5]\ndecay_epochs = []",
            "clip = 0.0\nwarmup = [0.5]\ndecay_epochs = []",
            "search.weights.clip",
        ),
        ("adam = { lr = 5e-4", "adam = { lr = 0.0", "retrain.adam.lr"),
        ("alpha = { lr = 0.1", "alpha = { lr = 0.0", "search.alpha.lr"),
    ] {
        let text = TEXT.replace(from, to);
        let error = Recipe::parse(&text, Path::new("r.toml"), &[]).unwrap_err().to_string();
        let line = text.lines().zip(TEXT.lines()).position(|(wrong, right)| wrong != right).unwrap() + 1;
        let (place, field) =
            (format!("r.toml: line {line}, column "), format!(": {word}: expected a number above 0, found 0"));
        assert!(error.starts_with(&place) && error.ends_with(&field), "{error}");
    }
}
