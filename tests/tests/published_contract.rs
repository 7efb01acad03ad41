//! The bundle crate agrees with the published code's text and box fixtures and its architecture files.

use mmnas_bundle::boxes::{self, BoxXyxy};
use mmnas_bundle::{Architecture, Operation, TextEncoder, Vocabulary};
use mmnas_tests::fixtures::{json, path};

#[test]
fn token_ids_are_equal() {
    let fixture = json("official/text.json");
    let mut words: Vec<(&String, i64)> =
        fixture["vocab"].as_object().unwrap().iter().map(|(w, id)| (w, id.as_i64().unwrap())).collect();
    words.sort_by_key(|(_, id)| *id);
    let mut vocabulary = Vocabulary::new();
    for (word, _) in words.iter().skip(3) {
        vocabulary.add_word((*word).clone());
    }
    let encoder =
        TextEncoder::from_json(&vocabulary.to_tokenizer_json(), std::path::Path::new("tokenizer.json")).unwrap();
    assert_eq!(encoder.vocabulary_size(), words.len());
    let max_tokens = fixture["max_tokens"].as_u64().unwrap() as usize;
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let mut ids = encoder.encode(case["text"].as_str().unwrap(), max_tokens).unwrap();
        ids.resize(max_tokens, mmnas_bundle::PAD);
        let expected: Vec<i64> = case["ids"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
        assert_eq!(ids, expected, "{}", case["text"]);
    }
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    match value {
        serde_json::Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn corners(value: &serde_json::Value) -> Vec<BoxXyxy> {
    numbers(value).chunks_exact(4).map(|b| [b[0] as f32, b[1] as f32, b[2] as f32, b[3] as f32]).collect()
}

fn assert_close(what: &str, ours: &[f32], theirs: &serde_json::Value) {
    let theirs = numbers(theirs);
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (k, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        // 1e-7 is the rounding of a number near 1 in single precision: it matters where the value is 0.
        assert!((f64::from(*a) - b).abs() <= 1e-5 * b.abs() + 1e-7, "{what}[{k}]: {a} {b}");
    }
}

#[test]
fn box_geometry_agrees_to_1e_5() {
    let f = json("official/boxes.json");
    let (regions, target) = (corners(&f["boxes_xyxy"]), corners(&f["target_xyxy"])[0]);
    let (height, width) =
        (f["image_height_width"][0].as_u64().unwrap() as u32, f["image_height_width"][1].as_u64().unwrap() as u32);
    let each = |g: &dyn Fn(&BoxXyxy) -> Vec<f32>| regions.iter().flat_map(g).collect::<Vec<f32>>();
    assert_close("box_features", &each(&|b| boxes::box_features(b, width, height).to_vec()), &f["box_features"]);
    assert_close("relations", &boxes::relations(&regions), &f["relations"]);
    assert_close("deltas", &each(&|b| boxes::deltas(b, &target).to_vec()), &f["deltas"]);
    let expected = boxes::grounding_target(&regions, &[target]);
    assert_close("iou", &expected.iou, &f["iou"]);
    assert_close("score_target", &expected.scores, &f["score_target"]);
    assert_close("box_mask", &expected.mask, &f["box_mask"]);
    assert_close("normalised_deltas", expected.deltas.as_flattened(), &f["normalised_deltas"]);
    let decode_deltas = corners(&f["decode_deltas"]);
    let decoded: Vec<BoxXyxy> = regions.iter().zip(&decode_deltas).map(|(b, d)| boxes::decode(b, d)).collect();
    assert_close("decoded", decoded.as_flattened(), &f["decoded"]);
    let clipped: Vec<f32> = decoded.iter().flat_map(|b| boxes::clip(b, width, height)).collect();
    assert_close("clipped", &clipped, &f["clipped"]);
}

#[test]
fn published_architectures_read_and_write() {
    for task in ["vqa", "itm", "vgd"] {
        let file = path(&format!("official/net_{task}.arch.json"));
        let architecture = Architecture::read(&file).unwrap();
        assert_eq!((architecture.encoder.len(), architecture.decoder.len()), (12, 18));
        let written: serde_json::Value = serde_json::from_str(&architecture.to_published_json()).unwrap();
        assert_eq!(written, json(&format!("official/net_{task}.arch.json")), "{task}");
    }
    let vqa = Architecture::read(&path("official/net_vqa.arch.json")).unwrap();
    assert_eq!(vqa.decoder[6], Operation::RelationSelfAttention);
    let itm = Architecture::read(&path("official/net_itm.arch.json")).unwrap();
    assert_eq!((vqa.image_blocks(), itm.image_blocks()), (0, 1));
}
