//! The service's paths.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, MatchedPath, Path as PathOf, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mmnas_runtime::bundle::manifest::TaskName;
use mmnas_runtime::{
    AsyncModel, BatchSettings, Error, ErrorCode, Explanation, ImageState, LoadOptions, Model, RegionWeight, WordWeight,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::images::{Images, gone};
use crate::metrics::Metrics;

/// Largest image file that is taken, in bytes.
const MAX_IMAGE_BYTES: usize = 32 << 20;

/// How the service runs.
pub(crate) struct Settings {
    pub options: LoadOptions,
    pub batches: BatchSettings,
    pub images: usize,
}

/// What all requests share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    settings: Settings,
    /// The model in use. A request takes a handle of its own and ends with it, whatever is loaded meanwhile.
    model: RwLock<AsyncModel>,
    images: Arc<Images>,
    metrics: Metrics,
    processors: Semaphore,
    waiting: Semaphore,
}

/// An error as a response.
struct Failed(Error);

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0.code() {
            ErrorCode::Overloaded | ErrorCode::Closed => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::InvalidArgument | ErrorCode::EmptyText | ErrorCode::WrongTask => StatusCode::BAD_REQUEST,
            ErrorCode::Image => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = Json(json!({ "error": self.0.to_string() }));
        let mut response = (status, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

type Reply = Result<Json<Value>, Failed>;

/// Requests for a processor that wait for one at most; each may hold an image.
const MOST_WAITING: usize = 32;

impl App {
    /// Runs what takes a processor for long where that stops no other request: as many at a time as there are processors, so
    /// that no more images are decoded at once.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(_waits) = self.0.waiting.try_acquire() else { return Err(Error::Overloaded) };
        // The semaphore is never closed.
        let _runs = self.0.processors.acquire().await.map_err(|_| Error::Closed)?;
        // A panic of the work, which is none of the request's doing.
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Closed))
    }

    pub(crate) fn load(bundle: &Path, settings: Settings) -> Result<App, Error> {
        let model = load(bundle, &settings.options, settings.batches)?;
        let images = Images::new(settings.images);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Ok(App(Arc::new(Shared {
            settings,
            model: RwLock::new(model),
            images,
            metrics: Metrics::new(),
            processors: Semaphore::new(processors),
            waiting: Semaphore::new(MOST_WAITING + processors),
        })))
    }

    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
            .route("/metrics", get(metrics))
            .route("/model", get(model))
            .route("/reload", post(reload))
            .route("/images", post(add_image))
            .route("/images/{number}", get(image_file))
            .route("/ask", post(ask))
            .layer(DefaultBodyLimit::max(MAX_IMAGE_BYTES))
            .layer(axum::middleware::from_fn_with_state(self.clone(), count))
            .with_state(self.clone())
    }

    /// The model in use.
    fn model(&self) -> AsyncModel {
        self.0.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers what waits and takes nothing more.
    pub(crate) fn close(&self) {
        self.model().close();
    }
}

fn load(bundle: &Path, options: &LoadOptions, batches: BatchSettings) -> Result<AsyncModel, Error> {
    let model = Model::load(bundle, options)?;
    model.warm_up()?;
    AsyncModel::new(model, batches)
}

/// Counts every request with its time.
async fn count(State(app): State<App>, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let response = next.run(request).await;
    let known = ["/", "/health", "/metrics", "/model", "/reload", "/images", "/images/{number}", "/ask"];
    let path = path.and_then(|path| known.into_iter().find(|known| *known == path.as_str())).unwrap_or("other");
    app.0.metrics.request(path, response.status().as_u16(), start.elapsed());
    response
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let text = app.0.metrics.text(app.0.images.len(), app.model().counts());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

async fn model(State(app): State<App>) -> Json<Value> {
    let model = app.model();
    let model = model.model();
    let folder = model.bundle().folder();
    let name = folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
    Json(json!({
        "bundle": name,
        "task": model.manifest().task,
        "form": model.form().to_string(),
        "provider": model.provider().name(),
        "parameters": model.manifest().parameters,
    }))
}

#[derive(Deserialize)]
struct Reload {
    bundle: PathBuf,
}

/// Loads another bundle beside the one in use, then uses it. Requests that began with the old one end with it.
async fn reload(State(app): State<App>, Json(wanted): Json<Reload>) -> Reply {
    let own = app.clone();
    let old = app.blocking(move || {
        let new = load(&wanted.bundle, &own.0.settings.options, own.0.settings.batches)?;
        let mut slot = own.0.model.write().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut *slot, new))
    });
    let old = old.await?;
    app.0.metrics.reloaded();
    // The old handle answers what it took before it ends with its last request.
    drop(old);
    Ok(model(State(app)).await)
}

async fn add_image(State(app): State<App>, file: Bytes) -> Reply {
    let (model, images) = (app.model(), Arc::clone(&app.0.images));
    let (number, state) = app.blocking(move || images.add(model.model(), file)).await?;
    let (width, height) = state.size();
    Ok(Json(json!({ "image": number, "width": width, "height": height, "regions": state.boxes().len() })))
}

async fn image_file(State(app): State<App>, PathOf(number): PathOf<String>) -> Result<Bytes, StatusCode> {
    app.0.images.file(&number).ok_or(StatusCode::NOT_FOUND)
}

#[derive(Deserialize)]
struct Ask {
    image: String,
    text: String,
    #[serde(default = "three")]
    top: usize,
    #[serde(default)]
    explain: bool,
}

fn three() -> usize {
    3
}

async fn ask(State(app): State<App>, Json(wanted): Json<Ask>) -> Reply {
    let start = Instant::now();
    let model = app.model();
    let (own, images, number) = (model.clone(), Arc::clone(&app.0.images), wanted.image.clone());
    let image = app.blocking(move || images.state(own.model(), &number)).await?;
    let image = image.ok_or_else(|| gone(&wanted.image))?;
    let mut reply = found(&model, &image, &wanted).await?;
    if wanted.explain {
        let explanation = app.blocking(move || model.model().explain(&image, &wanted.text)).await?;
        reply["explanation"] = described(&explanation);
    }
    reply["milliseconds"] = json!(start.elapsed().as_secs_f64() * 1e3);
    Ok(Json(reply))
}

async fn found(model: &AsyncModel, image: &ImageState, wanted: &Ask) -> Result<Value, Error> {
    let (image, text) = (image.clone(), wanted.text.clone());
    Ok(match model.model().manifest().task {
        TaskName::Vqa => {
            let answers = model.answer(image, text, wanted.top).await?;
            let answer = |a: &mmnas_runtime::Answer| json!({ "label": a.label, "probability": a.probability });
            json!({ "answers": answers.iter().map(answer).collect::<Vec<_>>() })
        }
        TaskName::Vgd => {
            let boxes = model.ground(image, text, wanted.top).await?;
            let found = |g: &mmnas_runtime::Grounding| json!({ "box": g.box_xyxy, "probability": g.probability });
            json!({ "boxes": boxes.iter().map(found).collect::<Vec<_>>() })
        }
        TaskName::Itm => json!({ "match": { "probability": model.match_pair(image, text).await?.probability } }),
    })
}

fn described(explanation: &Explanation) -> Value {
    let word = |w: &WordWeight| json!({ "word": w.word, "weight": w.weight });
    let region = |r: &RegionWeight| json!({ "box": r.box_xyxy, "weight": r.weight });
    json!({
        "words": explanation.words.iter().map(word).collect::<Vec<_>>(),
        "regions": explanation.regions.iter().map(region).collect::<Vec<_>>(),
    })
}
