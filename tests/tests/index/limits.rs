//! Searches that end before they are done, each by limits of its own.

use std::time::Instant;

use mmnas_runtime::{CancelToken, Error, Limits};

use super::*;

/// An index in which one state lies under so many keys.
fn large(model: &Model, path: &Path, count: usize) -> ImageIndex {
    let mut index = ImageIndex::create(model, path).unwrap();
    let state = image(model, 1);
    (0..count).for_each(|number| index.put(&format!("{number:05}"), &state).unwrap());
    index.commit().unwrap();
    index
}

#[test]
fn no_time_at_all_ends_every_search() {
    let place = Place::new();
    let model = place.model();
    let index = filled(&model, &place.path("images"), 5);
    let texts = texts(&model);
    let mut of_texts = TextIndex::create(&model, &place.path("texts")).unwrap();
    of_texts.put("a", &texts[0]).unwrap();
    of_texts.commit().unwrap();
    // Nothing to look at is no way past the limits.
    let empty = ImageIndex::create(&model, &place.path("empty")).unwrap();
    let images = [image(&model, 7)];
    for _ in 0..200 {
        let none = Limits::none().within(Duration::ZERO);
        for candidates in [Candidates::All, Candidates::Shortlist(3)] {
            assert!(matches!(index.rank_within(&texts, 1, candidates, &none), Err(Error::DeadlineExceeded)));
            assert!(matches!(empty.rank_within(&texts, 1, candidates, &none), Err(Error::DeadlineExceeded)));
            assert!(matches!(of_texts.rank_within(&images, 1, candidates, &none), Err(Error::DeadlineExceeded)));
        }
        assert!(matches!(index.get_within("1", &none), Err(Error::DeadlineExceeded)));
        assert!(matches!(of_texts.get_within("a", &none), Err(Error::DeadlineExceeded)));
    }
    assert_eq!(index.rank(&texts, 1, Candidates::Shortlist(3)).unwrap().len(), TEXTS.len());
}

#[test]
fn a_search_has_its_own_limits_or_those_of_its_model() {
    let place = Place::new();
    let model = place.model();
    let index = filled(&model, &place.path("images"), 5);
    let texts = texts(&model);
    let token = CancelToken::new();
    let limited = model.limited(Limits::none().cancelled_by(&token));
    let of_limited = ImageIndex::open(&limited, &place.path("images"), Access::Read).unwrap();
    let expected = index.rank(&texts, 2, Candidates::All).unwrap();
    assert_eq!(of_limited.rank(&texts, 2, Candidates::All).unwrap(), expected);
    token.cancel();
    assert!(matches!(of_limited.rank(&texts, 2, Candidates::All), Err(Error::Cancelled)));
    // Limits of a search stand in place of the model's.
    let patient = Limits::none().within(Duration::from_secs(3600));
    assert_eq!(of_limited.rank_within(&texts, 2, Candidates::All, &patient).unwrap(), expected);
    assert_eq!(index.rank(&texts, 2, Candidates::All).unwrap(), expected);
}

/// Runs a search that takes minutes, cancels it from another thread, and sees it end.
fn cancelled(search: impl FnOnce(&Limits) -> mmnas_runtime::Result<Vec<Vec<Hit>>> + Send) {
    let token = CancelToken::new();
    let limits = Limits::none().cancelled_by(&token);
    let (started, starts) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            started.send(()).unwrap();
            search(&limits)
        });
        starts.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let at = Instant::now();
        token.cancel();
        assert!(matches!(call.join().unwrap(), Err(Error::Cancelled)));
        assert!(at.elapsed() < Duration::from_secs(20), "{:?}", at.elapsed());
    });
}

#[test]
fn a_token_of_another_thread_ends_a_search_that_runs() {
    let place = Place::new();
    let model = place.model();
    let index = large(&model, &place.path("images"), 500);
    let one = model.encode_text("a dog").unwrap();
    let many: Vec<TextState> = vec![one; 20_000];
    // All states for many texts, in batches; and for each text a shortlist that is scored.
    cancelled(|limits| index.rank_within(&many, 1, Candidates::All, limits));
    cancelled(|limits| index.rank_within(&many, 1, Candidates::Shortlist(100), limits));
    // The next search is as if nothing had been.
    assert_eq!(index.rank(&many[..1], 3, Candidates::Shortlist(500)).unwrap()[0].len(), 3);
}

#[test]
fn a_shortlist_that_a_search_had_no_time_for_is_gone_on_with() {
    let place = Place::new();
    let model = place.model();
    let index = large(&model, &place.path("images"), 5000);
    let texts = texts(&model);
    let search = |time| index.rank_within(&texts[..1], 3, Candidates::Shortlist(20), &Limits::none().within(time));
    // Each has time for a part of it, and in the end one finds it whole.
    let mut ended = 0;
    let found = loop {
        match search(Duration::from_millis(20)) {
            Ok(found) => break found,
            Err(Error::DeadlineExceeded) => ended += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(ended < 10_000, "no search ever had the whole shortlist");
    };
    println!("{ended} searches ended early");
    assert_eq!(found[0].len(), 3);
}
