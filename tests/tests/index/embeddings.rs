//! What an index gives to other programs.

use super::*;

#[test]
fn other_programs_read_the_embeddings() {
    let place = Place::new();
    let model = place.model();
    let mut images = ImageIndex::create(&model, &place.path("images")).unwrap();
    for seed in 0..40 {
        images.put(&format!("é {seed}.jpg"), &image(&model, seed)).unwrap();
    }
    images.commit().unwrap();
    std::fs::write(place.path("texts.txt"), TEXTS.join("\n") + "\n\n").unwrap();
    let (bundle, texts) = (place.text("bundle"), place.text("texts"));
    let done =
        programs::run("mmnas", &["index", "add", &bundle, &texts, "--texts", &place.text("texts.txt"), "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let done = programs::run("mmnas", &["index", "export", &bundle, &texts, "--out", &place.text("texts.parquet")]);
    assert!(done.stdout.ends_with("4 embeddings\n"), "{} {}", done.stdout, done.stderr);
    let out = place.path("images.parquet");
    assert_eq!(images.export_embeddings(&out, EmbeddingFormat::Parquet).unwrap(), 40);
    assert_eq!(images.export_embeddings(&out, EmbeddingFormat::Npy).unwrap_err().code(), ErrorCode::Exists);
    images.export_embeddings(&place.path("images.npy"), EmbeddingFormat::Npy).unwrap();
    let npy = python::run("check_npy.py", &[&place.path("images.npy")]);
    assert_eq!(npy.lines().count(), 40);
    for line in npy.lines() {
        let row: Vec<serde_json::Value> = serde_json::from_str(line).unwrap();
        let expected = images.embedding(row[0].as_str().unwrap()).unwrap().unwrap();
        let found: Vec<f32> = row[1..].iter().map(|v| v.as_f64().unwrap() as f32).collect();
        assert_eq!(found, expected);
    }

    let text_index = TextIndex::open(&model, &place.path("texts"), Access::Read).unwrap();
    let database = place.path("database");
    let printed = python::run_vector_database(&[&out, &place.path("texts.parquet"), &database]);
    assert_eq!(printed.lines().count(), 4);
    for line in printed.lines() {
        let found: serde_json::Value = serde_json::from_str(line).unwrap();
        let query = text_index.embedding(found["key"].as_str().unwrap()).unwrap().unwrap();
        let cosine = |key: &str| -> f64 {
            let embedding = images.embedding(key).unwrap().unwrap();
            query.iter().zip(&embedding).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let mut exact: Vec<f64> = images.keys().map(cosine).collect();
        exact.sort_by(|a, b| b.total_cmp(a));
        let nearest = found["nearest"].as_array().unwrap();
        assert_eq!(nearest.len(), 5);
        for (hit, exact) in nearest.iter().zip(exact) {
            assert!((hit[1].as_f64().unwrap() - exact).abs() < 1e-5, "{hit} {exact}");
            assert!((cosine(hit[0].as_str().unwrap()) - exact).abs() < 1e-5, "{hit} {exact}");
        }
    }
    assert_eq!(IndexKind::of(&place.path("texts")).unwrap(), IndexKind::Text);
    // What an operator does with an index.
    let index = |arguments: &[&str]| programs::run("mmnas", &[&["index"], arguments].concat());
    let images_of = place.text("images");
    drop(images);
    let deleted = index(&["delete", &bundle, &images_of, "é 3.jpg", "é 4.jpg", "nothing"]);
    assert!(deleted.stdout.contains("2 deleted, 38 states"), "{} {}", deleted.stdout, deleted.stderr);
    let figures = |output: &str| -> serde_json::Value { serde_json::from_str(output).unwrap() };
    let info = figures(&index(&["info", &bundle, &images_of, "--json"]).stdout);
    assert!(info["deleted_bytes"].as_u64() > Some(0) && info["embedding"] == JOINT, "{info}");
    let compacted = figures(&index(&["compact", &bundle, &images_of, "--json"]).stdout);
    assert_eq!((compacted["states"].as_u64(), compacted["deleted_bytes"].as_u64()), (Some(38), Some(0)));
    let wrong = index(&["export", &bundle, &images_of, "--out", &place.text("a.csv")]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains(".npy or .parquet"), "{}", wrong.stderr);
    let found =
        programs::run("mmnas", &["index", "search", &bundle, &place.text("images"), "--text", "a dog", "--top", "3"]);
    assert_eq!(found.stdout.lines().count(), 3, "{} {}", found.stdout, found.stderr);
}
