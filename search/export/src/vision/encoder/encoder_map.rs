//! The values of an encoder whose averages are a region's features.

use std::fmt;

use crate::error::Result;
use crate::onnx::onnx_model::OnnxModel;

/// How a value holds a map over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapLayout {
    /// `[batch, channels, height, width]`.
    Nchw,
    /// `[batch, height, width, channels]`.
    Nhwc,
    /// `[batch, before + height · width, channels]`: tokens row by row, after those of the class and registers.
    Tokens {
        /// Tokens that are no part of the map.
        before: usize,
    },
}

impl fmt::Display for MapLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapLayout::Nchw => f.write_str("channels first"),
            MapLayout::Nhwc => f.write_str("channels last"),
            MapLayout::Tokens { before: 0 } => f.write_str("tokens"),
            MapLayout::Tokens { before } => write!(f, "tokens after {before} others"),
        }
    }
}

/// A value of an encoder as a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderMap {
    /// Its name in the model.
    pub value: String,
    /// How it holds the map.
    pub layout: MapLayout,
    /// Features of a place.
    pub channels: usize,
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
}

/// What the user says of an encoder's values, where they do not tell it themselves.
#[derive(Debug, Clone, Default)]
pub struct MapOptions {
    /// The values; none: the only output that can be one.
    pub values: Vec<String>,
    /// Whether the channels of four dimensions are last.
    pub channels_last: Option<bool>,
    /// Tokens that are no part of the map.
    pub tokens_before: Option<usize>,
}

/// Most tokens of class and registers that are told apart without being named.
const MAX_BEFORE: usize = 16;

impl MapOptions {
    /// The values to look at: those that were named, or all outputs.
    ///
    /// # Errors
    /// A name that the model has not, or that stands twice.
    pub fn values(&self, model: &OnnxModel) -> Result<Vec<String>> {
        if self.values.is_empty() {
            return Ok(model.outputs().into_iter().map(|output| output.name).collect());
        }
        for (place, value) in self.values.iter().enumerate() {
            if !model.gives(value) {
                return Err(model.wrong("--output", "a value that a node gives", format!("{value:?}")));
            }
            if self.values[..place].contains(value) {
                return Err(model.wrong("--output", "each value once", format!("{value:?} twice")));
            }
        }
        Ok(self.values.clone())
    }

    /// The maps among values of these shapes, for an input of (height, width).
    ///
    /// # Errors
    /// A named value that is no map; without names no output that is one, or several.
    pub fn maps(
        &self,
        model: &OnnxModel,
        shapes: &[(String, Vec<usize>)],
        input: (usize, usize),
    ) -> Result<Vec<EncoderMap>> {
        let map = |(value, shape): &(String, Vec<usize>)| {
            self.map(value, shape, input).map_err(|why| format!("{value} {shape:?}: {why}"))
        };
        let found: Vec<_> = shapes.iter().map(map).collect();
        if !self.values.is_empty() {
            let maps: std::result::Result<Vec<_>, String> = found.into_iter().collect();
            return maps.map_err(|why| model.wrong("--output", "maps over the image, or tokens", why));
        }
        let words = |why: Vec<String>| {
            model.wrong("outputs", "one map over the image; name others by --output", why.join("; "))
        };
        let (maps, others): (Vec<_>, Vec<_>) = found.into_iter().partition(std::result::Result::is_ok);
        let maps: Vec<EncoderMap> = maps.into_iter().flatten().collect();
        match maps.len() {
            1 => Ok(maps),
            0 => Err(words(others.into_iter().filter_map(std::result::Result::err).collect())),
            _ => Err(words(maps.iter().map(|map| format!("{} is one", map.value)).collect())),
        }
    }

    /// A value of this shape as a map over an image of (height, width), or why it is none.
    fn map(
        &self,
        value: &str,
        shape: &[usize],
        (height, width): (usize, usize),
    ) -> std::result::Result<EncoderMap, String> {
        let map = |layout, channels, height, width| {
            Ok(EncoderMap { value: value.to_owned(), layout, channels, height, width })
        };
        match *shape {
            [1, a, b, c] => {
                let last = self.channels_last.map_or_else(|| channels_last((a, b, c), (height, width)), Ok)?;
                if last { map(MapLayout::Nhwc, c, a, b) } else { map(MapLayout::Nchw, a, b, c) }
            }
            [1, tokens, channels] => {
                let (before, rows, columns) = self.tokens(tokens, (height, width))?;
                map(MapLayout::Tokens { before }, channels, rows, columns)
            }
            _ => Err("expected four dimensions, or three of tokens, the first of them 1 for one image".to_owned()),
        }
        .and_then(|map| {
            let sizes = [map.channels, map.height, map.width];
            if sizes.contains(&0) { Err("expected no dimension of 0".to_owned()) } else { Ok(map) }
        })
    }

    /// Tokens before the map, its rows and columns.
    fn tokens(&self, tokens: usize, input: (usize, usize)) -> std::result::Result<(usize, usize, usize), String> {
        let (rows, columns) = proportion(input);
        // The largest map of the image's proportions with at most `count` places.
        let largest = |count: usize| (count / (rows * columns)).isqrt();
        let side = largest(self.tokens_before.map_or(tokens, |before| tokens.saturating_sub(before)));
        let before = tokens - side * side * rows * columns;
        match self.tokens_before {
            Some(told) if before != told || side == 0 => {
                Err(format!("expected {rows} × {columns} · n² tokens after {told}, found {tokens} in all"))
            }
            None if before > MAX_BEFORE || side == 0 => Err(format!(
                "expected {rows} × {columns} · n² tokens after at most {MAX_BEFORE}, found {tokens}; --tokens-before names others"
            )),
            _ => Ok((before, side * rows, side * columns)),
        }
    }
}

/// Whether the channels are last: the sides of a map are to one another as those of the image.
///
/// Sides that are so exactly count before those that were rounded to whole places.
fn channels_last(
    (a, b, c): (usize, usize, usize),
    (height, width): (usize, usize),
) -> std::result::Result<bool, String> {
    let exact = |rows: usize, columns: usize| rows <= height && rows * width == columns * height;
    let rounded = |rows: usize, columns: usize| {
        // The strides that can give so many places of a side, one more or less by rounding.
        let strides = |side: usize, places: usize| {
            (side as f64 / (places + 1) as f64, side as f64 / places.saturating_sub(1) as f64)
        };
        let ((low, high), (left, right)) = (strides(height, rows), strides(width, columns));
        rows <= height && columns <= width && low.max(left) < high.min(right)
    };
    match (exact(b, c), exact(a, b), rounded(b, c), rounded(a, b)) {
        (true, false, ..) | (false, false, true, false) => Ok(false),
        (false, true, ..) | (false, false, false, true) => Ok(true),
        (false, false, false, false) => Err("no two dimensions are as the image's sides".to_owned()),
        _ => Err("channels may be first or last; --channels-first or --channels-last tells".to_owned()),
    }
}

/// Rows and columns of the smallest map of these proportions.
fn proportion((height, width): (usize, usize)) -> (usize, usize) {
    let (mut a, mut b) = (height.max(1), width.max(1));
    while b > 0 {
        (a, b) = (b, a % b);
    }
    (height.max(1) / a, width.max(1) / a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        options: &MapOptions,
        shape: &[usize],
        input: (usize, usize),
    ) -> std::result::Result<(MapLayout, [usize; 3]), String> {
        let map = options.map("v", shape, input)?;
        Ok((map.layout, [map.channels, map.height, map.width]))
    }

    #[test]
    fn tokens_of_class_and_registers_are_told_apart() {
        let plain = MapOptions::default();
        let tokens = |before, side| Ok((MapLayout::Tokens { before }, [192, side, side]));
        for (count, before, side) in [(197, 1, 14), (196, 0, 14), (201, 5, 14), (257, 1, 16), (261, 5, 16), (50, 1, 7)]
        {
            assert_eq!(of(&plain, &[1, count, 192], (224, 224)), tokens(before, side), "{count}");
        }
        // 3 : 4 and two registers.
        assert_eq!(of(&plain, &[1, 194, 8], (96, 128)), Ok((MapLayout::Tokens { before: 2 }, [8, 12, 16])));
        assert!(of(&plain, &[1, 220, 192], (224, 224)).unwrap_err().contains("--tokens-before"));
        let named = MapOptions { tokens_before: Some(24), ..MapOptions::default() };
        assert_eq!(of(&named, &[1, 220, 192], (224, 224)), tokens(24, 14));
        assert!(of(&named, &[1, 197, 192], (224, 224)).is_err());
        assert!(of(&named, &[1, 3, 192], (224, 224)).is_err());
        assert!(of(&plain, &[1, 0, 192], (224, 224)).is_err());
    }

    #[test]
    fn channels_are_where_the_image_s_sides_are_not() {
        let plain = MapOptions::default();
        assert_eq!(of(&plain, &[1, 512, 7, 7], (224, 224)), Ok((MapLayout::Nchw, [512, 7, 7])));
        assert_eq!(of(&plain, &[1, 7, 7, 512], (224, 224)), Ok((MapLayout::Nhwc, [512, 7, 7])));
        assert_eq!(of(&plain, &[1, 64, 15, 20], (480, 640)), Ok((MapLayout::Nchw, [64, 15, 20])));
        // Rounded up at one side: 100 × 150 pixels by a stride of 32.
        assert_eq!(of(&plain, &[1, 64, 4, 5], (100, 150)), Ok((MapLayout::Nchw, [64, 4, 5])));
        assert!(of(&plain, &[1, 8, 8, 8], (64, 64)).unwrap_err().contains("--channels-last"));
        let named = MapOptions { channels_last: Some(true), ..MapOptions::default() };
        assert_eq!(of(&named, &[1, 8, 8, 8], (64, 64)), Ok((MapLayout::Nhwc, [8, 8, 8])));
        assert!(of(&plain, &[1, 1000], (224, 224)).is_err());
        // Tokens before the batch, and windows of an image.
        for shape in [&[50, 1, 768][..], &[64, 49, 96], &[4, 96, 7, 7]] {
            assert!(of(&plain, shape, (224, 224)).unwrap_err().contains("1 for one image"));
        }
    }
}
