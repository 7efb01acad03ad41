//! A network that starts from another run's weights.

use mmnas_bundle::manifest::TaskName;
use mmnas_bundle::{Vocabulary, manifest::Dimensions};
use mmnas_search::bundle::export::derived_network;
use mmnas_search::space::presets as architectures;
use mmnas_search::{FeatureNorm, InitialWeights, Network, TensorMap, save_tensors};
use mmnas_tests::alone::alone;
use mmnas_tests::fixtures::{official, set_formula_weights};
use tch::{Kind, Tensor};

fn network(task: TaskName, preset: &str, dimensions: &Dimensions) -> Network {
    derived_network(task, &architectures::preset(preset).unwrap(), dimensions).unwrap()
}

fn vocabulary(text: &str) -> Vocabulary {
    let mut vocabulary = Vocabulary::new();
    vocabulary.add_text(text).unwrap();
    vocabulary
}

#[test]
fn what_fits_is_copied_and_words_find_their_rows() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (vocabulary("a dog and a cat"), vocabulary("the cat and a bird"));
    // Three special words come first.
    let sizes = |vocabulary: &Vocabulary| Dimensions { vocabulary: vocabulary.len(), ..official(64, 1) };
    let source = network(TaskName::Itm, "mcan:2", &sizes(&old));
    set_formula_weights(&source);
    let mut tensors: TensorMap = source.parameters().iter().map(|(n, p)| (n.clone(), p.detach().copy())).collect();
    let width = source.dimensions().feature as i64;
    let norm = |value: f64| Tensor::full([width], value, (Kind::Float, tch::Device::Cpu));
    tensors.insert("feature_norm.mean".to_owned(), norm(3.0));
    tensors.insert("feature_norm.std".to_owned(), norm(0.5));
    save_tensors(&folder.path().join("network.safetensors"), &tensors, Default::default()).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), old.to_tokenizer_json()).unwrap();

    // Another task, fewer blocks, other words.
    let mut target = network(TaskName::Vgd, "mcan:1", &sizes(&new));
    target.set_feature_norm(Some(FeatureNorm { mean: norm(0.0), std: norm(1.0) }));
    let before: TensorMap = target.parameters().iter().map(|(n, p)| (n.clone(), p.detach().copy())).collect();
    let copied = InitialWeights::read(folder.path()).unwrap().start(&mut target, &new.words()).unwrap();
    let mut shared = 0;
    for (name, parameter) in target.parameters() {
        if name == "embedding.weight" {
            continue;
        }
        let same = source.parameters().get(name).filter(|other| other.size() == parameter.size());
        shared += usize::from(same.is_some());
        assert!(parameter.equal(same.unwrap_or(&before[name])), "{name}");
    }
    assert_eq!(copied, shared + 1);
    assert!(shared > 20 && shared < target.parameters().len() - 1, "the heads differ, the blocks do not: {shared}");
    let (words, rows) = (new.words(), &target.parameters()["embedding.weight"]);
    for (row, word) in words.iter().enumerate() {
        let known = old.words().iter().position(|other| other == word);
        let expected = known.map_or_else(
            || before["embedding.weight"].get(row as i64),
            |place| source.parameters()["embedding.weight"].get(place as i64),
        );
        assert!(rows.get(row as i64).equal(&expected), "{word}");
    }
    assert!(words.contains(&"bird") && !old.words().contains(&"bird"));
    let norm_of = target.feature_norm().unwrap();
    assert_eq!((norm_of.mean.double_value(&[0]), norm_of.std.double_value(&[0])), (3.0, 0.5));
}
