//! Watching a run: one self-contained HTML page, and pictures as SVG files.
//!
//! The page has curves, examples, alpha over time, the architecture as the paper draws it, and the
//! recipe. Alpha over time and the architecture are SVG files too.
//!
//! The pictures are written as SVG by hand: they follow the reader's light or dark setting with the
//! page's style sheet. Plotting libraries fix colours when they draw.

pub mod alphas;
pub mod architecture;
pub mod axis;
pub mod chart;
pub mod content;
pub mod curves;
pub mod example_cards;
pub(crate) mod finals;
pub mod front;
pub mod front_picture;
pub mod operation;
pub mod overwrite_guard;
pub mod page;
pub mod palette;
pub mod picture;
pub mod plot;
pub mod stacked;
pub mod summary;
pub mod text;
pub mod thumbnail;

use std::path::{Path, PathBuf};

use mmnas_bundle::{Error as BundleError, write_atomically};

use crate::error::Result;
use crate::report::content::Content;
use crate::report::front::NamedFront;
use crate::report::overwrite_guard::check_earlier;
use crate::report::thumbnail::Thumbnails;
use crate::run::files::LOG;

/// Content and files of a report.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// File of the page; by default `report.html` in the run's folder.
    pub out: Option<PathBuf>,
    /// File for the picture of the architecture.
    pub svg: Option<PathBuf>,
    /// File for the picture of alpha over time.
    pub alpha_svg: Option<PathBuf>,
    /// A front of the run's task, for the page.
    pub front: Option<PathBuf>,
    /// Folder of the images that the examples name.
    pub images: Option<PathBuf>,
    /// Largest number of examples that are shown.
    pub examples: usize,
}

impl Default for ReportOptions {
    fn default() -> ReportOptions {
        ReportOptions { out: None, svg: None, alpha_svg: None, front: None, images: None, examples: 24 }
    }
}

/// Writes the report of the search or retraining in the folder `run`.
///
/// It returns the files that it wrote, the page first. The run may still be going on: the report
/// then shows what is there.
///
/// # Errors
///
/// [`Error::Bundle`](crate::error::Error::Bundle), and nothing is written then:
///
/// - if a file of the run cannot be read, or the front, or if the front is of another task;
/// - for a picture that is asked for and cannot be drawn yet;
/// - for a file that is in the way and is no earlier page or picture of that kind.
///
/// It also is the error if a file cannot be written.
pub fn report(run: &Path, options: &ReportOptions) -> Result<Vec<PathBuf>> {
    let content = Content { front: options.front.as_deref().map(NamedFront::read).transpose()?, ..Content::read(run)? };
    if let Some(NamedFront { file, front }) = &content.front
        && front.task.to_string() != content.inputs.task
    {
        let expected = format!("{}, the run's", content.inputs.task);
        return Err(BundleError::invalid(file, "task", expected, front.task).into());
    }
    let missing =
        |file: &str, field: &str, expected: &str| BundleError::invalid(run.join(file), field, expected, "none");
    let page = crate::report::page::page(&content, options.examples, &mut Thumbnails::of(options.images.as_deref()));
    let mut files =
        vec![(options.out.clone().unwrap_or_else(|| run.join("report.html")), page, crate::report::page::MARKS)];
    if let Some(file) = &options.svg {
        let stacks = content.architecture.as_ref();
        let stacks = stacks.ok_or_else(|| missing("architecture.json", "(file)", "an architecture, after an epoch"))?;
        let picture = crate::report::architecture::draw(stacks, &content.palette, &content.inputs.task);
        files.push((file.clone(), picture.standalone(&content.palette.style()), crate::report::picture::MARKS));
    }
    if let Some(file) = &options.alpha_svg {
        if content.blocks.is_empty() {
            return Err(missing(LOG, "probabilities", "those of a search, after an epoch").into());
        }
        let picture = crate::report::alphas::draw(&content).standalone(&content.palette.style());
        files.push((file.clone(), picture, crate::report::picture::MARKS));
    }
    files.iter().try_for_each(|(file, _, marks)| check_earlier(file, *marks))?;
    for (file, text, _) in &files {
        write_atomically(file, text.as_bytes())?;
    }
    Ok(files.into_iter().map(|(file, _, _)| file).collect())
}
