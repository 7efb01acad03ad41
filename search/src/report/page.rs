//! The page around the pictures.
//!
//! It is well-formed XML as well as HTML, and needs nothing beside it.

use std::fmt::Write;

use crate::report::alphas::{BlockChart, block_charts, searched};
use crate::report::axis::significant;
use crate::report::content::Content;
use crate::report::curves::curves;
use crate::report::example_cards::cards;
use crate::report::front::NamedFront;
use crate::report::operation::Look;
use crate::report::overwrite_guard::Marks;
use crate::report::palette::Palette;
use crate::report::summary::summary;
use crate::report::text::escape;
use crate::report::thumbnail::Thumbnails;
use crate::report::{architecture, finals, picture};
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes as notes;

const STYLE: &str = include_str!("page.css");

/// Marks that identify an earlier page.
pub(crate) const MARKS: Marks = Marks { beginning: BEGINNING, further_on: FOOTER };
const BEGINNING: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>";
const FOOTER: &str = "<footer>Written by mmnas-search ";

/// A part of the page: its name in links, its heading, its content.
type Section = (&'static str, &'static str, String);

fn card(title: &str, beside: &str, picture: &str) -> String {
    format!("<div class=\"card\"><h3>{} {beside}</h3>{picture}</div>", escape(title))
}

fn curve_section(content: &Content) -> String {
    if content.records.is_empty() {
        return "<p>No epoch has ended yet.</p>".to_owned();
    }
    let cards = curves(content).into_iter().map(|picture| card(&picture.title, "", &picture.inline(1.5)));
    let note = "By epoch. The pointer over a chart shows its values.";
    format!("<p class=\"soft\">{note}</p><div class=\"curves\">{}</div>", cards.collect::<String>())
}

fn legend(looks: &[&Look], palette: &Palette) -> String {
    let item = |look: &&Look| {
        let (name, abbreviation, words) = (escape(&look.name), escape(&look.abbreviation), escape(&look.words));
        let class = palette.class(&look.name);
        format!("<li title=\"{name}\"><span class=\"chip {class}\">{abbreviation}</span> {words}</li>")
    };
    format!("<ul class=\"legend\">{}</ul>", looks.iter().map(item).collect::<String>())
}

fn alpha_section(content: &Content) -> String {
    let charts = block_charts(content);
    if charts.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<p class=\"soft\">Probability of each operation in each block by epoch; the thick line is the one that leads.</p>",
    );
    html += &legend(&searched(content), &content.palette);
    for (decoder, title) in [(false, "Encoder"), (true, "Decoder")] {
        let stack: Vec<&BlockChart> = charts.iter().filter(|chart| chart.decoder == decoder).collect();
        if stack.is_empty() {
            continue;
        }
        let _ = write!(html, "<h3>{title}</h3><div class=\"alphas\">");
        for chart in stack {
            let leads = chart.derived.as_ref().map_or_else(String::new, |(look, p)| {
                format!("<span>{} {:.0} %</span>", escape(&look.abbreviation), 100.0 * p)
            });
            html += &card(&chart.name, &leads, &chart.picture.inline(1.5));
        }
        html += "</div>";
    }
    html
}

fn architecture_section(content: &Content) -> String {
    content.architecture.as_ref().map_or_else(String::new, |stacks| {
        let picture = architecture::draw(stacks, &content.palette, &content.inputs.task);
        format!("<div class=\"card\">{}</div>", picture.inline(1.1))
    })
}

fn example_section(content: &Content, count: usize, thumbnails: &mut Thumbnails) -> String {
    let right = content.examples.iter().filter(|example| example.right).count();
    let cards = cards(&content.examples, count, thumbnails);
    if cards.is_empty() {
        return cards;
    }
    let all = content.examples.len();
    let share = 100.0 * right as f64 / all as f64;
    format!("<p class=\"soft\">{right} of the {all} recorded examples are right ({share:.1} %).</p>{cards}")
}

fn row(record: &EpochRecord) -> String {
    format!(
        "<tr><td>{}</td><td>{}</td><td>{:.2} %</td><td>{}</td><td>{:.1}</td><td>{}</td></tr>",
        record.epoch,
        significant(record.loss),
        100.0 * record.validation,
        significant(record.learning_rate),
        record.seconds,
        escape(notes::text(record, "architecture").unwrap_or_default())
    )
}

fn number_section(content: &Content) -> String {
    if content.records.is_empty() {
        return String::new();
    }
    let rows: String = content.records.iter().map(row).collect();
    format!(
        "<details><summary>Every epoch in numbers</summary><div class=\"wide\"><table><thead><tr><th>epoch</th><th>loss</th><th>validation</th>\
         <th>learning rate</th><th>seconds</th><th>derived</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
}

/// The whole page, with `examples` examples at most.
pub(crate) fn page(content: &Content, examples: usize, thumbnails: &mut Thumbnails) -> String {
    let recipe = escape(&content.recipe);
    let recipe = format!(
        "<details><summary>All constants of the run</summary><div class=\"wide\"><pre>{recipe}</pre></div></details>"
    );
    let sections: [Section; 7] = [
        ("curves", "Curves", curve_section(content)),
        ("examples", "Examples", example_section(content, examples, thumbnails)),
        ("alpha", "Alpha", alpha_section(content)),
        ("architecture", "Architecture", architecture_section(content)),
        ("finals", "Finals", content.finals.as_ref().map_or_else(String::new, finals::section)),
        ("front", "Front", content.front.as_ref().map_or_else(String::new, NamedFront::section)),
        ("recipe", "Numbers and recipe", number_section(content) + &recipe),
    ];
    let sections: Vec<&Section> = sections.iter().filter(|(_, _, html)| !html.is_empty()).collect();
    let title = escape(&content.title);
    let what = if content.inputs.architecture.is_none() { "Search" } else { "Retraining" };
    let mut page = format!(
        "{BEGINNING}<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/><title>{what}: {title}</title>\n<style>\n{}{STYLE}{}</style></head>\n\
         <body><h1>{what}: {title}</h1>",
        picture::STYLE,
        content.palette.style()
    );
    if let Some(stacks) = &content.architecture {
        let _ = write!(page, "<p class=\"soft\">{}</p>", escape(&stacks.to_string()));
    }
    page += "<nav>";
    for (id, heading, _) in &sections {
        let _ = write!(page, "<a href=\"#{id}\">{heading}</a>");
    }
    page += "</nav><div class=\"facts\">";
    for (value, name, more) in summary(content) {
        let _ = write!(page, "<div class=\"fact\"><b>{}</b><span>{name}</span>", escape(&value));
        if !more.is_empty() {
            let _ = write!(page, "<span>{}</span>", escape(&more));
        }
        page += "</div>";
    }
    page += "</div>\n";
    for (id, heading, html) in &sections {
        let _ = writeln!(page, "<section id=\"{id}\"><h2>{heading}</h2>{html}</section>");
    }
    let _ = writeln!(page, "{FOOTER}{}.</footer></body></html>", env!("CARGO_PKG_VERSION"));
    page
}
