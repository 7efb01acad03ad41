//! Arguments that are images or folders of images: one reading for every command.

use std::path::{Path, PathBuf};

use mmnas_runtime::{Error, ImageFiles, LeftOut, PassedOver};

use crate::cli::failure::Failure;
use crate::cli::output;

/// An image that an argument means.
pub(crate) struct NamedImage {
    /// Its name in the folder that was given, or its file's own.
    pub name: String,
    /// The file: an image, or region features where its name ends in `.npz`.
    pub file: PathBuf,
}

/// What arguments mean.
pub(crate) struct ImageArguments {
    pub images: Vec<NamedImage>,
    /// What lies in folders and is not read.
    pub passed_over: Vec<PassedOver>,
}

/// What was made of images.
pub(crate) struct Encoded<T> {
    /// Of those that could be decoded.
    pub files: Vec<PathBuf>,
    /// In the same order.
    pub states: Vec<T>,
    pub left_out: Vec<LeftOut>,
}

impl ImageArguments {
    /// Finds the images of `arguments`, in folders and below or as files.
    ///
    /// A file is taken as an image whatever it is called; whoever decodes it says what is wrong with it. What is passed
    /// over is told.
    pub(crate) fn find(arguments: &[PathBuf], skip_broken: bool) -> Result<ImageArguments, Failure> {
        let mut found = ImageArguments { images: Vec::new(), passed_over: Vec::new() };
        for argument in arguments {
            if !argument.is_dir() {
                let name = argument.file_name().unwrap_or(argument.as_os_str());
                found.images.push(NamedImage { name: name.to_string_lossy().into_owned(), file: argument.clone() });
                continue;
            }
            let ImageFiles { names, passed_over } = ImageFiles::find(argument, skip_broken)?;
            output::tell_passed_over(argument, &passed_over);
            let image = |name: String| NamedImage { file: argument.join(&name), name };
            found.images.extend(names.into_iter().map(image));
            found.passed_over.extend(passed_over);
        }
        Ok(found)
    }

    /// Does `each` with every image.
    ///
    /// With `skip_broken` those that cannot be decoded are left out, which is told.
    pub(crate) fn encode<T>(
        images: &[NamedImage],
        skip_broken: bool,
        each: impl Fn(&Path) -> Result<T, Error>,
    ) -> Result<Encoded<T>, Failure> {
        let mut encoded = Encoded { files: Vec::new(), states: Vec::new(), left_out: Vec::new() };
        for NamedImage { file, .. } in images {
            match each(file) {
                Ok(state) => {
                    encoded.files.push(file.clone());
                    encoded.states.push(state);
                }
                Err(error) if skip_broken => {
                    encoded.left_out.push(LeftOut::of(&file.display().to_string(), error)?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let (true, Some(first)) = (encoded.states.is_empty(), encoded.left_out.first()) {
            let expected = "at least one that can be decoded".to_owned();
            return Err(Error::Argument { argument: "images", expected, found: first.reason.clone() }.into());
        }
        output::tell_left_out(&encoded.left_out);
        Ok(encoded)
    }
}
