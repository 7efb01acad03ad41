//! The model card: what a person wants to know of a bundle, as Markdown.

use std::fmt::Write as _;

use mmnas_bundle::Operation;
use mmnas_bundle::manifest::{Manifest, Stage, TaskName};

/// The content of a bundle's README.md.
pub(crate) fn model_card(manifest: &Manifest) -> String {
    let parts = [
        heading(manifest),
        picture(manifest),
        results(manifest),
        graphs(manifest),
        provenance(manifest),
        usage(manifest),
    ];
    parts.join("\n")
}

fn heading(m: &Manifest) -> String {
    let does = match m.task {
        TaskName::Vqa => "answers questions about images (visual question answering)",
        TaskName::Itm => "tells whether a text belongs to an image (image-text matching and retrieval)",
        TaskName::Vgd => "finds the region of an image that a phrase means (visual grounding)",
    };
    let licence = m.licence.as_deref().unwrap_or("not stated by whoever exported it: ask before you use it");
    format!(
        "# {} network, {} parameters\n\nAn exported MMnas network that {does}.\n\nLicence of the weights: {licence}\n",
        m.task.to_string().to_uppercase(),
        m.parameters,
    )
}

/// The blocks of a side on one line, each after an arrow.
fn line(operations: &[Operation]) -> String {
    operations.iter().map(|operation| format!(" → {}", operation.abbreviation())).collect()
}

/// The architecture as text.
fn picture(m: &Manifest) -> String {
    // What does nothing is in no graph.
    let architecture = m.architecture.without_skips();
    let (before, after) = architecture.decoder.split_at(architecture.image_blocks());
    let head = match m.task {
        TaskName::Vqa => format!("LN(AttFlat text + AttFlat regions) → {} answers", m.dimensions.outputs),
        TaskName::Itm => "LN(AttFlat text + AttFlat regions) → match".to_owned(),
        TaskName::Vgd => "LN(AttFlat text + each region) → score and box deltas".to_owned(),
    };
    let d = &m.dimensions;
    format!(
        "## Architecture\n\n```\ntext    words → embedding {} → LSTM {h}{}\nimage   regions of {} features → {h}{}\n\
         fusion  text and image{}\nhead    {head}\n```\n\nH {h}, {} {} of {}, {} words, texts of up to {} words.\n",
        d.embedding,
        line(&architecture.encoder),
        d.feature,
        line(before),
        line(after),
        d.heads(),
        if d.heads() == 1 { "head" } else { "heads" },
        d.head,
        d.vocabulary,
        m.text.max_tokens,
        h = d.hidden,
    )
}

fn results(m: &Manifest) -> String {
    let mut text = "## Figures\n\n".to_owned();
    if m.metrics.is_empty() {
        text += "No figure was recorded before the export.\n";
    } else {
        text += "| measured before the export | |\n|---|---:|\n";
        for (name, value) in &m.metrics {
            let _ = writeln!(text, "| {} | {value:.4} |", name.replace('_', " "));
        }
    }
    if let Some(first) = m.measured.first() {
        let _ = writeln!(
            text,
            "\nOne item of {} words and {} regions through text, image and fusion stage, on {}:\n\n\
             | graphs | milliseconds | difference from libtorch in 32 bits | size |\n|---|---:|---:|---:|",
            first.tokens, first.regions, first.machine
        );
        for measured in &m.measured {
            let milliseconds = measured.milliseconds.map_or("not timed".to_owned(), |ms| format!("{ms:.2}"));
            let size = m.form_bytes(measured.form()) as f64 / 1e6;
            let _ =
                writeln!(text, "| {} | {milliseconds} | {:.1e} | {size:.2} MB |", measured.form(), measured.difference);
        }
    } else {
        text += "\nThe graphs were not timed where the bundle was written: `mmnas verify BUNDLE --time` does it.\n";
    }
    text
}

fn graphs(m: &Manifest) -> String {
    let mut text = "## Files\n\n| file | what | MB |\n|---|---|---:|\n".to_owned();
    let stages: Vec<(&str, &Stage)> = m
        .stages
        .named()
        .into_iter()
        .chain(m.merged.as_ref().map(|stage| ("whole network", stage)))
        .chain(m.vision.as_ref().map(|vision| ("vision (pixels → regions)", &vision.stage)))
        .collect();
    for (name, stage) in stages {
        for graph in &stage.graphs {
            let size = m.graph_bytes(graph) as f64 / 1e6;
            let _ = writeln!(text, "| {} | {name}, {} | {size:.2} |", graph.file, graph.form());
        }
    }
    if let Some(detector) = m.vision.as_ref().and_then(|vision| vision.regions.detector()) {
        let size = m.files.get(&detector.graph).map_or(0.0, |file| file.bytes as f64 / 1e6);
        let _ = writeln!(text, "| {} | detector of the vision stage | {size:.2} |", detector.graph);
    }
    text
}

fn provenance(m: &Manifest) -> String {
    let p = &m.provenance;
    let mut text = format!("## Where it comes from\n\nmmnas {}, seed {}", p.version, p.seed);
    if let Some(commit) = &p.commit {
        let _ = write!(text, ", commit {commit}");
    }
    text += ".\n\n";
    if p.data.is_empty() {
        text += "No data set was recorded.\n";
    } else {
        text += "| data | sha256 |\n|---|---|\n";
        for (name, hash) in &p.data {
            let _ = writeln!(text, "| {name} | `{hash}` |");
        }
    }
    if let Some(vision) = &m.vision {
        let _ = writeln!(text, "\nVision stage: {}, {} × {} pixels.", vision.backbone, vision.width, vision.height);
    }
    text += "\nThe recipe with all its values stands in `manifest.json`.\n";
    text
}

fn usage(m: &Manifest) -> String {
    let run = match m.task {
        TaskName::Vqa if m.vision.is_some() => "mmnas answer BUNDLE photo.png \"what is it?\"\n",
        _ => "",
    };
    format!(
        "## Use\n\n```\nmmnas verify BUNDLE    # the recorded outputs, on this machine\nmmnas info BUNDLE\n{run}```\n"
    )
}
