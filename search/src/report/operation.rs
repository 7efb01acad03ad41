//! Look of an operation: abbreviation, words, colour.
//!
//! All of it follows from the name alone, so that an operation looks the same in every report.
//!
//! Each kind has a colour that people with any colour vision can distinguish from the others'
//! (after Okabe and Ito). Its variants have shades of it, and dashes if they are lines.

/// A colour on a light and on a dark page.
pub(crate) type Colour = ([u8; 3], [u8; 3]);

struct Kind {
    /// Prefix of the names of this kind.
    ///
    /// A name is of the kind if it is the prefix, or the prefix and `_` and the variant.
    prefix: &'static str,
    abbreviation: &'static str,
    words: &'static str,
    colour: Colour,
    /// Whether it reads the encoded text.
    reads_text: bool,
    /// Names of the variants, the published one first.
    ///
    /// That one has the kind's own colour and needs no suffix.
    variants: &'static [&'static str],
}

const WIDTHS: &[&str] = &["64", "32", "128", "16", "256", "64_2"];
const KERNELS: &[&str] = &["", "3", "5", "7", "11"];

const fn kind(
    (prefix, abbreviation, words): (&'static str, &'static str, &'static str),
    colour: Colour,
    variants: &'static [&'static str],
) -> Kind {
    Kind { prefix, abbreviation, words, colour, reads_text: false, variants }
}

const KINDS: [Kind; 10] = [
    kind(("self_att", "SA", "self-attention"), ([0, 114, 178], [88, 180, 238]), WIDTHS),
    kind(("rel_self_att", "RSA", "relation self-attention"), ([179, 86, 141], [227, 156, 200]), WIDTHS),
    Kind { reads_text: true, ..kind(("guided_att", "GA", "guided attention"), ([196, 79, 0], [245, 145, 74]), WIDTHS) },
    kind(
        ("feed_forward", "FFN", "feed-forward network"),
        ([0, 128, 90], [63, 199, 150]),
        &["", "2", "8", "16", "32", "deep"],
    ),
    Kind {
        reads_text: true,
        ..kind(
            ("uniimg_att", "UA", "attention over regions and text"),
            ([84, 70, 173], [165, 155, 242]),
            &["64", "32", "128"],
        )
    },
    kind(("gated_linear", "GLU", "gated linear unit"), ([122, 108, 0], [219, 201, 79]), &["", "1", "2"]),
    kind(("sep_conv", "SConv", "separable convolution"), ([140, 84, 44], [206, 160, 116]), KERNELS),
    kind(("std_conv", "Conv", "convolution"), ([138, 28, 62], [240, 128, 150]), KERNELS),
    kind(("skip_connect", "Id", "identity"), ([97, 106, 115], [150, 158, 167]), &[""]),
    kind(("none", "Zero", "zero"), ([150, 158, 167], [97, 106, 115]), &[""]),
];

/// Colours of unknown names.
const SPARE: [Colour; 3] =
    [([10, 122, 138], [94, 208, 222]), ([70, 84, 110], [160, 176, 204]), ([90, 90, 30], [190, 190, 120])];

const DASHES: [&str; 6] = ["", "6 3", "2 3", "9 3 2 3", "12 4", "1 4 5 4"];

/// The look of one operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    /// Name as in files.
    pub name: String,
    /// Abbreviation as in the paper: at most 8 characters, not escaped.
    ///
    /// That of an unknown operation comes from its name.
    pub abbreviation: String,
    /// Description in words, not escaped.
    pub words: String,
    /// Colour of its blocks, areas and lines.
    pub colour: Colour,
    /// Dashes of its lines, as in SVG; empty for solid.
    pub dashes: &'static str,
    /// Whether it reads the encoded text.
    pub reads_text: bool,
    /// Sort key of the looks: kinds as above, then variants.
    pub order: (usize, usize),
}

/// Shade of a colour channel for a variant.
///
/// It is lighter for odd, darker for even variants, more so for later ones.
fn shade(channel: u8, variant: usize) -> u8 {
    let (towards, steps) = if variant.is_multiple_of(2) { (0.0, variant / 2) } else { (255.0, variant.div_ceil(2)) };
    let share = 0.18 * steps.min(3) as f64;
    (f64::from(channel) * (1.0 - share) + towards * share).round() as u8
}

/// First letters of the words, numbers whole: `dil_conv_3` is DC3.
fn initials(name: &str) -> String {
    let part = |word: &str| -> String {
        let digits = word.chars().all(|c| c.is_ascii_digit());
        if digits { word.to_owned() } else { word.chars().take(1).flat_map(char::to_uppercase).collect() }
    };
    let initials: String = name.split(|c: char| !c.is_alphanumeric()).map(part).collect();
    if initials.is_empty() { "?".to_owned() } else { initials }
}

impl Look {
    /// The look of the operation `name`.
    pub(crate) fn of(name: &str) -> Look {
        for (k, kind) in KINDS.iter().enumerate() {
            let Some(rest) = name.strip_prefix(kind.prefix) else { continue };
            let variant = match rest.strip_prefix('_') {
                Some(variant) => variant,
                None if rest.is_empty() => "",
                None => continue,
            };
            let known = kind.variants.iter().position(|known| *known == variant);
            let number = known.unwrap_or(if variant.is_empty() { 0 } else { kind.variants.len() });
            let suffix = if number == 0 { String::new() } else { variant.replace('_', "×") };
            let shaded = |colour: [u8; 3]| colour.map(|channel| shade(channel, number));
            return Look {
                name: name.to_owned(),
                abbreviation: crate::report::text::cut(&format!("{}{suffix}", kind.abbreviation), 8),
                words: format!("{} {suffix}", kind.words).trim_end().to_owned(),
                colour: (shaded(kind.colour.0), shaded(kind.colour.1)),
                dashes: DASHES[number % DASHES.len()],
                reads_text: kind.reads_text,
                order: (k, number),
            };
        }
        // FNV-1a, so that a name always has the same colour.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Look {
            name: name.to_owned(),
            abbreviation: crate::report::text::cut(&initials(name), 8),
            words: name.replace('_', " "),
            colour: SPARE[(hash % SPARE.len() as u64) as usize],
            dashes: DASHES[(hash / 8 % DASHES.len() as u64) as usize],
            reads_text: false,
            order: (KINDS.len(), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmnas_bundle::Operation;

    #[test]
    fn the_published_pool_looks_as_in_the_paper() {
        for operation in Operation::DECODER {
            let look = Look::of(operation.name());
            assert_eq!(look.abbreviation, operation.abbreviation());
            assert_eq!((look.dashes, look.reads_text), ("", operation.abbreviation() == "GA"));
        }
        assert_eq!(Look::of("self_att_64").colour.0, [0, 114, 178]);
    }

    #[test]
    fn every_name_has_an_abbreviation_and_variants_differ() {
        let names = [
            ("self_att_16", "SA16"),
            ("self_att_64_2", "SA64×2"),
            ("feed_forward_2", "FFN2"),
            ("feed_forward_deep", "FFNdeep"),
            ("sep_conv_11", "SConv11"),
            ("skip_connect", "Id"),
            ("dilated_conv_3", "DC3"),
            ("self_attention", "SA"),
            ("___", "?"),
        ];
        for (name, abbreviation) in names {
            assert_eq!(Look::of(name).abbreviation, abbreviation, "{name}");
        }
        let mut colours: Vec<Colour> = WIDTHS.iter().map(|w| Look::of(&format!("self_att_{w}")).colour).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), WIDTHS.len());
    }
}
