use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mmnas_search::Result;
use mmnas_search::data::easy_vqa;

use super::output;

/// Writes a data set as JSON lines
#[derive(Args)]
#[command(after_help = "Example:\n  mmnas-search convert easy-vqa .native/easy_vqa --out data")]
pub(super) struct Arguments {
    /// The data set's format
    format: Format,
    /// The data set's folder
    data: PathBuf,
    /// Folder for train.jsonl and test.jsonl
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// The data folder of the PyPI package easy-vqa
    EasyVqa,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let converted = match arguments.format {
        Format::EasyVqa => easy_vqa::convert(&arguments.data, &arguments.out)?,
    };
    output::line(format_args!(
        "{}: {} training and {} test questions; the question alone answers {:.1} % of the test",
        arguments.out.display(),
        converted.train,
        converted.test,
        100.0 * converted.without_image
    ));
    Ok(())
}
