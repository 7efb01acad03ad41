//! The asynchronous handle and the example of a service: batches, a full queue, reload, shutdown, the page.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::{ImageFormat, Rgb, RgbImage};
use mmnas_bundle::RegionFeatures;
use mmnas_bundle::manifest::TaskName;
use mmnas_runtime::{AsyncModel, BatchSettings, Batcher, CancelToken, Error, ErrorCode, Limits, LoadOptions, Model};
use mmnas_search::rng;
use mmnas_tests::browser::Browser;
use mmnas_tests::exported::bundle_for_pixels;
use mmnas_tests::service::Service;
use mmnas_tests::skipped::skip;
use rand::RngExt as _;
use serde_json::json;

/// A bundle of a task that takes pixels.
fn bundle(folder: &Path, task: TaskName) -> PathBuf {
    bundle_for_pixels(folder, task, None)
}

fn photograph(seed: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(90, 60, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, seed]));
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

fn regions(model: &Model, seed: u64) -> RegionFeatures {
    let mut rng = rng(seed, "regions", 0);
    let count = 2 + seed as usize % 5;
    let features = (0..count * model.manifest().dimensions.feature).map(|_| rng.random_range(-1.0..1.0f32)).collect();
    let corner = |k: usize| 30.0 * k as f32;
    let boxes = (0..count).map(|k| [corner(k), 10.0, corner(k) + 50.0, 90.0]).collect();
    RegionFeatures { features, boxes, size: (400, 300) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gives_what_each_request_gives_alone() {
    let folder = tempfile::tempdir().unwrap();
    for task in [TaskName::Vqa, TaskName::Vgd, TaskName::Itm] {
        let model = Model::load(&bundle(folder.path(), task), &LoadOptions::default()).unwrap();
        let settings = BatchSettings { max_batch: 8, max_wait: Duration::from_millis(200), queue: 64 };
        let handle = AsyncModel::new(model.clone(), settings).unwrap();
        let mut tasks = Vec::new();
        for seed in 0..24u64 {
            let (handle, model) = (handle.clone(), model.clone());
            tasks.push(tokio::spawn(async move {
                let image = model.encode_regions(&regions(&model, seed)).unwrap();
                let text = "what is it ".repeat(1 + seed as usize % 3);
                let near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
                match task {
                    TaskName::Vqa => {
                        let found = handle.answer(image.clone(), text.clone(), 3).await.unwrap();
                        let alone = model.answer(&image, &text, 3).unwrap();
                        assert!(found.len() == 3 && found.iter().zip(&alone).all(|(a, b)| near(a.logit, b.logit)));
                    }
                    TaskName::Vgd => {
                        let found = handle.ground(image.clone(), text.clone(), 2).await.unwrap();
                        let alone = model.ground(&image, &text, 2).unwrap();
                        assert!(found.len() == 2 && found.iter().zip(&alone).all(|(a, b)| near(a.score, b.score)));
                    }
                    TaskName::Itm => {
                        let found = handle.match_pair(image.clone(), text.clone()).await.unwrap();
                        let alone = model.match_pairs(&[(&image, &model.encode_text(&text).unwrap())]).unwrap();
                        assert!(near(found.logit, alone[0].logit));
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        // Answers go out before they are counted.
        while handle.counts().pending > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let counts = handle.counts();
        assert_eq!((counts.answered, counts.refused), (24, 0));
        assert!(counts.batches < 24, "{counts:?}");
        // What is wrong with one request is told to it alone.
        let image = model.encode_regions(&regions(&model, 1)).unwrap();
        let (good, bad) = match task {
            TaskName::Vqa => {
                let good = handle.answer(image.clone(), "what".into(), 1);
                let bad = handle.answer(image.clone(), "?!".into(), 1);
                let (good, bad) = tokio::join!(good, bad);
                (good.map(drop), bad.map(drop))
            }
            TaskName::Vgd => {
                let good = handle.ground(image.clone(), "what".into(), 1);
                let bad = handle.ground(image.clone(), "?!".into(), 1);
                let (good, bad) = tokio::join!(good, bad);
                (good.map(drop), bad.map(drop))
            }
            TaskName::Itm => {
                let good = handle.match_pair(image.clone(), "what".into());
                let bad = handle.match_pair(image.clone(), "?!".into());
                let (good, bad) = tokio::join!(good, bad);
                (good.map(drop), bad.map(drop))
            }
        };
        assert!(good.is_ok() && bad.unwrap_err().code() == ErrorCode::EmptyText);
        let closing = handle.clone();
        tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
        assert!(matches!(handle.match_pair(image, "what".into()).await, Err(Error::Closed)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_whoever_goes_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(&bundle(folder.path(), TaskName::Vqa), &LoadOptions::default()).unwrap();
    let image = model.encode_regions(&regions(&model, 3)).unwrap();
    let settings = BatchSettings { max_batch: 2, max_wait: Duration::ZERO, queue: 4 };
    let handle = AsyncModel::new(model, settings).unwrap();
    let mut tasks = Vec::new();
    for _ in 0..400 {
        let (handle, image) = (handle.clone(), image.clone());
        tasks.push(tokio::spawn(async move { handle.answer(image, "what is it".into(), 1).await }));
    }
    let (mut answered, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => answered += 1,
            Err(Error::Overloaded) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    // Answers go out before they are counted.
    while handle.counts().pending > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let counts = handle.counts();
    assert_eq!((counts.answered, counts.refused), (answered, refused));
    assert!(answered >= 4 && refused > 0, "{counts:?}");
    // Requests whose callers have gone before their batch runs are left out.
    let patient = BatchSettings { max_batch: 16, max_wait: Duration::from_millis(300), queue: 16 };
    let handle = AsyncModel::new(handle.model().clone(), patient).unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(20), handle.answer(image.clone(), "a".into(), 1)).await;
    assert!(gone.is_err());
    assert!(handle.answer(image, "what".into(), 1).await.is_ok());
    while handle.counts().pending > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((handle.counts().abandoned, handle.counts().answered), (1, 1));
    for wrong in [BatchSettings { max_batch: 0, ..patient }, BatchSettings { queue: 0, ..patient }] {
        assert_eq!(AsyncModel::new(handle.model().clone(), wrong).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn threads_are_gathered_into_batches_and_each_call_ends_at_its_own_limits() {
    for task in [TaskName::Vqa, TaskName::Vgd, TaskName::Itm] {
        let folder = tempfile::tempdir().unwrap();
        let model = Model::load(&bundle(folder.path(), task), &LoadOptions::default()).unwrap();
        let settings = BatchSettings { max_batch: 8, max_wait: Duration::from_millis(200), queue: 64 };
        let batcher = Batcher::new(&model, settings).unwrap();
        let near = |a: f32, b: f32| assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} {b}");
        let ask = |seed: u64| {
            let image = model.encode_regions(&regions(&model, seed)).unwrap();
            let text = "what is it ".repeat(1 + seed as usize % 3);
            match task {
                TaskName::Vqa => {
                    let found = batcher.answer(&image, &text, 3).unwrap();
                    let alone = model.answer(&image, &text, 3).unwrap();
                    found.iter().zip(&alone).for_each(|(a, b)| near(a.logit, b.logit));
                    assert_eq!(found.len(), 3);
                }
                TaskName::Vgd => {
                    let found = batcher.ground(&image, &text, 2).unwrap();
                    let alone = model.ground(&image, &text, 2).unwrap();
                    found.iter().zip(&alone).for_each(|(a, b)| near(a.score, b.score));
                    assert_eq!(found.len(), 2);
                }
                TaskName::Itm => {
                    let text_state = model.encode_text(&text).unwrap();
                    let alone = model.match_pairs(&[(&image, &text_state)]).unwrap();
                    near(batcher.match_pair(&image, &text).unwrap().logit, alone[0].logit);
                }
            }
        };
        let ask = &ask;
        std::thread::scope(|scope| (0..16).for_each(|seed| drop(scope.spawn(move || ask(seed)))));
        batcher.close();
        let counts = batcher.counts();
        assert_eq!((counts.answered, counts.refused, counts.pending), (16, 0, 0));
        assert!(counts.batches < 16, "{counts:?}");
    }
    let again = tempfile::tempdir().unwrap();
    let model = Model::load(&bundle(again.path(), TaskName::Vqa), &LoadOptions::default()).unwrap();
    let image = model.encode_regions(&regions(&model, 3)).unwrap();
    // A first call waits long for others: only its own limits can end it sooner.
    let patient = BatchSettings { max_batch: 16, max_wait: Duration::from_secs(600), queue: 16 };
    let batcher = Batcher::new(&model, patient).unwrap();
    let begin = Instant::now();
    let late = batcher.limited(Limits::none().within(Duration::from_millis(50)));
    assert!(matches!(late.answer(&image, "what", 1), Err(Error::DeadlineExceeded)));
    assert!(matches!(late.answer(&image, "what", 1), Err(Error::DeadlineExceeded)));
    let token = CancelToken::new();
    let limited = model.limited(Limits::none().cancelled_by(&token));
    let cancelled = batcher.limited_as(&limited).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| cancelled.answer(&image, "what", 1));
        std::thread::sleep(Duration::from_millis(50));
        token.cancel();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
    });
    assert!(begin.elapsed() < Duration::from_secs(60));
    let other = Model::load(&bundle(again.path(), TaskName::Vgd), &LoadOptions::default()).unwrap();
    assert_eq!(batcher.limited_as(&other).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(batcher.counts().batches, 0);
    // Those that have gone do not run when the batcher ends, which waits for nobody then.
    drop((late, cancelled));
    batcher.close();
    assert_eq!((batcher.counts().abandoned, batcher.counts().answered), (2, 0));
    assert!(matches!(batcher.answer(&image, "what", 1), Err(Error::Closed)));
    // A cancelled model's limits stay with it.
    let batcher = Batcher::new(&limited, BatchSettings { max_wait: Duration::ZERO, ..patient }).unwrap();
    assert!(batcher.answer(&image, "what", 1).is_ok());
}

#[test]
fn the_service_answers_measures_and_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), TaskName::Vqa);
    let service = Service::start(&path, &["--images", "2"]);
    assert_eq!(service.get("/health"), (200, r#"{"status":"ok"}"#.to_owned()));
    let (status, image) = service.post("/images", &photograph(7));
    assert_eq!((status, image["regions"].as_u64(), image["width"].as_u64()), (200, Some(4), Some(90)), "{image}");
    let number = image["image"].as_str().unwrap().to_owned();
    let ask = |text: &str| service.json("/ask", &json!({ "image": number, "text": text, "top": 2, "explain": true }));
    let (status, found) = ask("what colour is it");
    assert_eq!(status, 200, "{found}");
    // As the library answers.
    let model = Model::load(&path, &LoadOptions::default()).unwrap();
    let state = model.encode_image_bytes(&photograph(7)).unwrap();
    let expected = model.answer(&state, "what colour is it", 2).unwrap();
    for (found, expected) in found["answers"].as_array().unwrap().iter().zip(&expected) {
        assert_eq!(found["label"].as_str(), Some(expected.label.as_str()));
        assert!((found["probability"].as_f64().unwrap() - f64::from(expected.probability)).abs() < 1e-4);
    }
    let explanation = model.explain(&state, "what colour is it").unwrap();
    let words = found["explanation"]["words"].as_array().unwrap();
    assert_eq!(words.len(), 4);
    for (found, expected) in words.iter().zip(&explanation.words) {
        assert_eq!(found["word"].as_str(), Some(expected.word.as_str()));
    }
    let sum = |list: &serde_json::Value| -> f64 {
        list.as_array().unwrap().iter().map(|v| v["weight"].as_f64().unwrap()).sum()
    };
    assert!((sum(&found["explanation"]["words"]) - 1.0).abs() < 1e-4);
    assert!((sum(&found["explanation"]["regions"]) - 1.0).abs() < 1e-4);

    let (status, error) = ask("?!");
    assert!(status == 400 && error["error"].as_str().unwrap().contains("at least one word"), "{error}");
    let (status, error) = service.post("/images", b"no image");
    assert!(status == 415 && error["error"].as_str().unwrap().contains("PNG"), "{error}");
    let (status, _) = service.json("/ask", &json!({ "image": "99", "text": "what" }));
    assert_eq!(status, 400);
    assert_eq!(service.json("/ask", &json!({ "text": 5 })).0, 422);
    assert_eq!(service.get("/nowhere").0, 404);
    // The oldest image makes room.
    service.post("/images", &photograph(8));
    service.post("/images", &photograph(9));
    assert_eq!(ask("what").0, 400);
    // A request is off the queue's count a moment after whoever asked has the answer.
    let deadline = Instant::now() + Duration::from_secs(20);
    let metrics = loop {
        let (_, metrics) = service.get("/metrics");
        if metrics.contains("mmnas_queue_pending 0") || Instant::now() > deadline {
            break metrics;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    for line in [
        r#"mmnas_requests_total{path="/ask",status="200"} 1"#,
        r#"mmnas_requests_total{path="/images",status="415"} 1"#,
        "mmnas_images 2",
        "mmnas_queue_pending 0",
        r#"mmnas_request_seconds_count{path="/images"} 4"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn another_model_is_loaded_without_losing_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let (vqa, itm) = (bundle(folder.path(), TaskName::Vqa), bundle(folder.path(), TaskName::Itm));
    let service = Service::start(&vqa, &[]);
    let (_, image) = service.post("/images", &photograph(7));
    let body = json!({ "image": image["image"], "text": "what is it" });
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut kinds = [0, 0];
                    for _ in 0..60 {
                        let (status, found) = service.json("/ask", &body);
                        assert_eq!(status, 200, "{found}");
                        kinds[usize::from(found["match"].is_object())] += 1;
                    }
                    kinds
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(30));
        let (status, model) = service.json("/reload", &json!({ "bundle": itm }));
        assert_eq!((status, model["task"].as_str()), (200, Some("itm")), "{model}");
        let kinds: Vec<[i32; 2]> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert_eq!(kinds.iter().flatten().sum::<i32>(), 360);
        println!("answers by the first model and by the second: {kinds:?}");
    });
    let (status, found) = service.json("/ask", &body);
    assert!(status == 200 && found["match"].is_object(), "{found}");
    // A bundle that cannot be loaded leaves the one in use.
    let (status, error) = service.json("/reload", &json!({ "bundle": folder.path().join("none") }));
    assert!(status == 500 && error["error"].as_str().unwrap().contains("none"), "{error}");
    assert_eq!(service.json("/ask", &body).0, 200);
}

#[test]
fn what_was_sent_is_answered_when_the_service_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    // Requests wait for one another half a second, so that they are under way when it is told.
    let service = Service::start(&bundle(folder.path(), TaskName::Vqa), &["--wait", "500", "--batch", "64"]);
    let (_, image) = service.post("/images", &photograph(7));
    let body = json!({ "image": image["image"], "text": "what is it" });
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..32).map(|_| scope.spawn(|| service.try_json("/ask", &body))).collect();
        std::thread::sleep(Duration::from_millis(250));
        service.tell_to_end();
        for client in clients {
            let (status, found) = client.join().unwrap().unwrap();
            assert_eq!(status, 200, "{found}");
        }
    });
    assert!(service.wait().success());
}

#[test]
fn a_person_asks_on_the_page() {
    let Some(chromium) = Browser::find() else {
        skip("the service's page", "there is no chromium");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photograph.png");
    std::fs::write(&file, photograph(7)).unwrap();
    let mut browser = Browser::start(&chromium);
    for task in [TaskName::Vqa, TaskName::Vgd] {
        let service = Service::start(&bundle(folder.path(), task), &[]);
        let (_, image) = service.post("/images", &photograph(7));
        let body = json!({ "image": image["image"], "text": "what colour is it", "top": 5 });
        let (_, found) = service.json("/ask", &body);
        // What the page shows has to be what the service answers to whoever asks it directly.
        let check = |browser: &mut Browser| {
            browser.wait_for("['answered', 'error'].includes(document.body?.dataset.state)");
            let page = browser.html();
            assert_eq!(browser.evaluate("document.body.dataset.state"), "answered", "{page}");
            match task {
                TaskName::Vqa => {
                    for answer in found["answers"].as_array().unwrap() {
                        assert!(page.contains(&format!("data-label={}", answer["label"])), "{answer}\n{page}");
                    }
                }
                _ => assert!(page.matches(r#"class="box""#).count() >= 3, "{page}"),
            }
            assert_eq!(page.matches("class=\"word\"").count(), 4, "{page}");
            assert_eq!(browser.evaluate("picture.naturalWidth"), 90, "the photograph is not shown:\n{page}");
        };
        // A link leads to an answer.
        let link =
            format!("{}/?image=/images/{}&text=what%20colour%20is%20it", service.url, image["image"].as_str().unwrap());
        browser.open(&link);
        check(&mut browser);
        // A person drops a photograph and asks.
        browser.open(&service.url);
        browser.wait_for("document.body?.dataset.state === 'empty' && document.title.startsWith('bundle')");
        browser.drop_file("#drop", &file);
        browser.wait_for("document.body?.dataset.state === 'ready'");
        browser.evaluate("document.querySelector('#text').focus()");
        browser.enter("what colour is it");
        check(&mut browser);
    }
}
