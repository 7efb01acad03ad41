//! The index that a command is about: opened, told of.

use std::path::PathBuf;

use clap::Args;
use mmnas_runtime::bundle;
use mmnas_runtime::{Access, AnyIndex, ImageIndex, IndexKind, LeftOut, LoadOptions, PassedOver, TextIndex};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::signals::Signals;

// Not a doc comment, which clap would print as the help of the commands.
#[derive(Args)]
pub(crate) struct Place {
    /// The bundle's folder; its task is itm
    pub(crate) bundle: PathBuf,
    /// The index's folder
    pub(crate) index: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An index of either kind.
pub(crate) enum EitherIndex {
    Images(ImageIndex),
    Texts(TextIndex),
}

impl EitherIndex {
    /// The index, for what both kinds do alike.
    pub(crate) fn any(&self) -> &AnyIndex {
        match self {
            EitherIndex::Images(index) => index,
            EitherIndex::Texts(index) => index,
        }
    }

    /// As [`EitherIndex::any`], to be changed.
    pub(crate) fn any_mut(&mut self) -> &mut AnyIndex {
        match self {
            EitherIndex::Images(index) => index,
            EitherIndex::Texts(index) => index,
        }
    }
}

impl Place {
    /// Opens the index, whichever kind it is of.
    pub(crate) fn open(
        &self,
        options: &LoadOptions,
        access: Access,
        signals: &Signals,
    ) -> Result<EitherIndex, Failure> {
        let model = signals.model(&self.bundle, options)?;
        Ok(match IndexKind::of(&self.index)? {
            IndexKind::Image => EitherIndex::Images(ImageIndex::open(&model, &self.index, access)?),
            IndexKind::Text => EitherIndex::Texts(TextIndex::open(&model, &self.index, access)?),
        })
    }

    /// One line, or JSON, about the index as it is, and about how many states were `done`, such as `("added", 3)`.
    pub(crate) fn tell(
        &self,
        index: &AnyIndex,
        done: Option<(&str, usize)>,
        (left_out, passed_over): (&[LeftOut], &[PassedOver]),
    ) -> Result<(), Failure> {
        let (states, (bytes, garbage)) = (index.len(), index.bytes());
        if self.json {
            let mut told = json!({ "states": states, "bytes": bytes, "deleted_bytes": garbage, "embedding": index.embedding_width() });
            if let Some((what, count)) = done {
                told[what] = json!(count);
            }
            output::add_not_read(&mut told, left_out, passed_over);
            return output::print_json(&told);
        }
        let more = done.map_or_else(String::new, |(what, count)| format!("{count} {what}, "));
        let each = bytes.saturating_sub(garbage) as f64 / states.max(1) as f64 / 1e3;
        let line = format!(
            "{}: {more}{states} states, {:.1} MB, {each:.1} kB each, {:.1} MB of them deleted\n",
            self.index.display(),
            bytes as f64 / 1e6,
            garbage as f64 / 1e6
        );
        Ok(output::print(&line)?)
    }
}

/// Removes an index that was made and that nothing came into: it would fix the kind of what can be added to it.
pub(crate) fn take_back(place: &Place, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    let _held = signals.hold();
    // To write, so that it is no other process's just now.
    let index = place.open(options, Access::Write, signals)?;
    if index.any().is_empty() {
        std::fs::remove_dir_all(&place.index).map_err(bundle::Error::io(&place.index, "remove"))?;
    }
    Ok(())
}
