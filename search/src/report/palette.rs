//! The operations of a page and the style rules that give them their colours.
//!
//! Rules hold plain colours, once for light and once for dark, instead of variables. Programs that
//! turn an SVG into pixels know plain colours only.

use std::fmt::Write;

use crate::report::operation::Look;

/// The operations on a page, in the order of its legends.
#[derive(Debug, Default)]
pub(crate) struct Palette {
    looks: Vec<Look>,
}

/// Relative luminance (WCAG 2), 0 to 1.
fn luminance(colour: [u8; 3]) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

/// White or nearly black, the more readable one on `colour`.
fn ink(colour: [u8; 3]) -> &'static str {
    let l = luminance(colour);
    // Contrasts with white and with #0d1117, whose luminance is 0.0056.
    if 1.05 / (l + 0.05) >= (l + 0.05) / 0.0556 { "#fff" } else { "#0d1117" }
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

impl Palette {
    /// The palette of the operations `names`, which may repeat.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Palette {
        let mut looks: Vec<Look> = Vec::new();
        for name in names {
            if !looks.iter().any(|look| look.name == name) {
                looks.push(Look::of(name));
            }
        }
        looks.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.name.cmp(&b.name)));
        Palette { looks }
    }

    /// All looks, in order.
    pub(crate) fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// Class of the style rules of the operation `name`.
    pub(crate) fn class(&self, name: &str) -> String {
        self.looks.iter().position(|look| look.name == name).map_or_else(String::new, |k| format!("o{k}"))
    }

    /// The style rules.
    pub(crate) fn style(&self) -> String {
        let mut rules = [String::new(), String::new()];
        for (k, look) in self.looks.iter().enumerate() {
            for (rules, colour) in rules.iter_mut().zip([look.colour.0, look.colour.1]) {
                let (fill, ink) = (hex(colour), ink(colour));
                let _ = write!(
                    rules,
                    ".o{k}.line{{stroke:{fill}}}.o{k}.fill{{fill:{fill}}}svg .o{k}.ink{{fill:{ink}}}.o{k}.chip{{background:{fill};color:{ink}}}"
                );
            }
            if !look.dashes.is_empty() {
                let _ = write!(rules[0], ".o{k}.line{{stroke-dasharray:{}}}", look.dashes);
            }
        }
        let [light, dark] = rules;
        format!("{light}\n@media(prefers-color-scheme:dark){{{dark}}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_can_be_read_on_every_colour() {
        let names = ["self_att_64", "self_att_16", "self_att_256", "feed_forward_32", "sep_conv_11", "none", "what_3"];
        let palette = Palette::of(names);
        for look in palette.looks() {
            for colour in [look.colour.0, look.colour.1] {
                let paper = luminance(colour) + 0.05;
                let contrast = if ink(colour) == "#fff" { 1.05 / paper } else { paper / 0.0556 };
                assert!(contrast >= 4.0, "{} {colour:?}: {contrast}", look.name);
            }
        }
        assert_eq!(palette.class("self_att_64"), "o0");
        assert_eq!(palette.class("not there"), "");
    }
}
