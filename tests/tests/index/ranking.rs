//! What an index ranks, and how large it is.

use super::*;

#[test]
fn an_index_ranks_as_the_states_in_memory_do() {
    let place = Place::new();
    let model = place.model();
    let images: Vec<ImageState> = (0..70).map(|seed| image(&model, seed)).collect();
    let mut index = ImageIndex::create(&model, &place.path("index")).unwrap();
    for (number, state) in images.iter().enumerate() {
        index.put(&format!("{number:03}.jpg"), state).unwrap();
    }
    assert_eq!(index.len(), 0, "nothing counts before the commit");
    index.commit().unwrap();
    drop(index);
    // Another load of the same bundle.
    let model = place.model();
    let images: Vec<ImageState> = (0..70).map(|seed| image(&model, seed)).collect();
    let index = ImageIndex::open(&model, &place.path("index"), Access::Read).unwrap();
    assert_eq!((index.len(), index.embedding_width()), (70, Some(JOINT)));
    let texts = texts(&model);
    let found = index.rank(&texts, 70, Candidates::All).unwrap();
    for (text, hits) in texts.iter().zip(&found) {
        let pairs: Vec<_> = images.iter().map(|image| (image, text)).collect();
        let scores = model.match_pairs(&pairs).unwrap();
        let scale = scores.iter().fold(1e-3f32, |most, score| most.max(score.logit.abs()));
        assert_eq!(hits.len(), 70);
        assert!(hits.windows(2).all(|pair| pair[0].score.logit >= pair[1].score.logit));
        for hit in hits {
            let expected = scores[hit.key[..3].parse::<usize>().unwrap()].logit;
            // Regions in 16 bits have 11 bits of precision.
            assert!((hit.score.logit - expected).abs() <= 4e-3 * scale, "{hit:?} {expected}");
        }
    }
    // A shortlist of all is all; of some, those that are nearest of all embeddings.
    let all = index.rank(&texts, 70, Candidates::Shortlist(70)).unwrap();
    assert_eq!(
        all.iter().map(|hits| keys(hits)).collect::<Vec<_>>(),
        found.iter().map(|h| keys(h)).collect::<Vec<_>>()
    );
    let mut text_index = TextIndex::create(&model, &place.path("texts")).unwrap();
    TEXTS.iter().zip(&texts).for_each(|(key, state)| text_index.put(key, state).unwrap());
    text_index.commit().unwrap();
    for (text, hits) in TEXTS.iter().zip(index.rank(&texts, 70, Candidates::Shortlist(10)).unwrap()) {
        let query = text_index.embedding(text).unwrap().unwrap();
        let mut nearest: Vec<(f32, String)> = Vec::new();
        for key in index.keys() {
            let embedding = index.embedding(key).unwrap().unwrap();
            let length: f32 = embedding.iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 5e-3, "{length}");
            nearest.push((query.iter().zip(&embedding).map(|(a, b)| a * b).sum(), key.to_owned()));
        }
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        let expected: std::collections::BTreeSet<&str> = nearest[..10].iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys(&hits).into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
    }
    // The other way: texts for an image.
    let of_texts = text_index.rank(&images[..1], 4, Candidates::All).unwrap();
    let pairs: Vec<_> = texts.iter().map(|text| (&images[0], text)).collect();
    let scores = model.match_pairs(&pairs).unwrap();
    for hit in &of_texts[0] {
        let expected = scores[TEXTS.iter().position(|text| *text == hit.key).unwrap()].logit;
        assert!((hit.score.logit - expected).abs() <= 4e-3 * expected.abs().max(0.1), "{hit:?} {expected}");
    }
    assert_eq!(index.rank(&texts, 0, Candidates::All).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(index.rank(&texts, 1, Candidates::Shortlist(0)).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert!(index.get("nothing").unwrap().is_none());
}

#[test]
fn an_image_takes_at_most_40_kilobytes_at_the_published_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let d = Dimensions { hidden: 512, embeddings: Some(EmbeddingDimensions::dual_encoder(256)), ..official(64, 1) };
    let json = r#"{"epoch0": {"enc": [["feed_forward"]], "dec": [["guided_att_64"], ["rel_self_att_64"]]}}"#;
    bundle(&folder.path().join("bundle"), &d, &Architecture::from_published_json(json, Path::new("test")).unwrap());
    let model = Model::load(&folder.path().join("bundle"), &LoadOptions::default()).unwrap();
    let mut index = ImageIndex::create(&model, &folder.path().join("index")).unwrap();
    for number in 0..20 {
        let state = model.encode_regions(&regions(36, 64, number)).unwrap();
        index.put(&format!("a folder/of some length/{number}.jpg"), &state).unwrap();
    }
    index.commit().unwrap();
    let files = std::fs::read_dir(folder.path().join("index")).unwrap();
    let sizes: Vec<_> = files.map(Result::unwrap).map(|e| (e.file_name(), e.metadata().unwrap().len())).collect();
    let kept: u64 = sizes.iter().filter(|(name, _)| name != "index.json").map(|(_, bytes)| bytes).sum();
    assert!(kept / 20 <= 40_000, "{sizes:?}");
    println!("{} bytes an image", kept / 20);
}

#[test]
fn searches_from_the_threads_that_build_a_shortlist_do_not_wait_for_themselves() {
    let place = Place::new();
    let model = place.model();
    let mut index = ImageIndex::create(&model, &place.path("index")).unwrap();
    let state = image(&model, 1);
    (0..3000).for_each(|number| index.put(&number.to_string(), &state).unwrap());
    index.commit().unwrap();
    let query = texts(&model);
    let search = |_: usize| index.rank(&query[..1], 1, Candidates::Shortlist(3)).unwrap()[0].len();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send((0..16).into_par_iter().map(search).sum::<usize>()));
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(16));
    });
}
