//! A service over HTTP: photographs in, answers out.
//!
//! ```text
//! cargo run --release --features async --example service -- BUNDLE --port 8080
//! curl --data-binary @photo.jpg localhost:8080/images
//! curl -H content-type:application/json -d '{"image": "1", "text": "what colour is it?"}' localhost:8080/ask
//! ```
//!
//! `GET /` is a page for people, `GET /health` says whether it answers, `GET /metrics` is for Prometheus, and `POST /reload`
//! with `{"bundle": "DIR"}` takes another bundle without losing a request. On Ctrl-C or SIGTERM it takes no more
//! connections, answers what it has, and ends.

mod app;
mod images;
mod metrics;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use mmnas_runtime::{BatchSettings, LoadOptions};

use app::{App, Settings};

#[derive(Parser)]
#[command(about = "Answers questions about photographs over HTTP")]
struct Arguments {
    /// The bundle's folder
    bundle: PathBuf,
    /// Where to listen; 0 takes a free port and prints it
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    address: String,
    /// Requests of a batch at most; 1 runs each alone
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Milliseconds that a request waits for others at most
    #[arg(long, default_value_t = 4)]
    wait: u64,
    /// Requests that may wait; more are told to try again
    #[arg(long, default_value_t = 256)]
    queue: usize,
    /// Images that are kept
    #[arg(long, default_value_t = 256)]
    images: usize,
    /// The ONNX Runtime library, or a folder that holds it
    #[arg(long)]
    ort_library: Option<PathBuf>,
    /// Threads that one operator may use [default: all processors]
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
    /// Which graphs run, as ort-int8 [default: 32 bits]
    #[arg(long)]
    variant: Option<mmnas_runtime::bundle::manifest::Form>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let settings = Settings {
        options: LoadOptions {
            ort_library: arguments.ort_library,
            threads: arguments.threads,
            form: arguments.variant,
            ..LoadOptions::default()
        },
        batches: BatchSettings {
            max_batch: arguments.batch,
            max_wait: Duration::from_millis(arguments.wait),
            queue: arguments.queue,
        },
        images: arguments.images,
    };
    let app = App::load(&arguments.bundle, settings)?;
    let listener = tokio::net::TcpListener::bind((arguments.address.as_str(), arguments.port)).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app.routes()).with_graceful_shutdown(told_to_end()).await?;
    // Every connection has its answer; the thread of the batches ends too.
    tokio::task::spawn_blocking(move || app.close()).await?;
    Ok(())
}

/// Returns on Ctrl-C and, where there is such, on SIGTERM.
async fn told_to_end() {
    #[cfg(unix)]
    {
        let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}
