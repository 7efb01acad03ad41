//! Two ways of doing a thing, timed in turns, so that whatever else the machine does meets both.

use std::time::Instant;

use mmnas_search::Result;
use serde_json::{Value, json};

/// The median of some values, the least and the most.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The middle value.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        Spread { median: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
    }

    /// As JSON.
    pub fn json(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }

    fn text(self, factor: f64, decimals: usize) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(|v| format!("{:.decimals$}", v * factor));
        format!("{median:>8}  ({least} to {most})")
    }
}

/// A measured pair.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was compared.
    pub name: String,
    /// The first way and its seconds.
    pub first: (String, Spread),
    /// The second way and its seconds.
    pub second: (String, Spread),
    /// Seconds of the second way over those of the first, repetition by repetition.
    pub ratio: Spread,
    /// Further figures: what, value.
    pub figures: Vec<(String, f64)>,
}

/// Runs both ways `repetitions` times in turns, after one run of each that does not count; each is told the number of its
/// run. A way returns once its work is done.
pub fn compare(
    name: &str,
    repetitions: u64,
    (first_name, first): (&str, &mut dyn FnMut(u64) -> Result<()>),
    (second_name, second): (&str, &mut dyn FnMut(u64) -> Result<()>),
) -> Result<Comparison> {
    let seconds = |way: &mut dyn FnMut(u64) -> Result<()>, number: u64| -> Result<f64> {
        let start = Instant::now();
        way(number)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
    for number in 0..=repetitions {
        // Whoever comes second finds caches and memory as the other left them, so they take turns in that too.
        let (a, b) = if number % 2 == 0 {
            let a = seconds(first, number)?;
            (a, seconds(second, number)?)
        } else {
            let b = seconds(second, number)?;
            (seconds(first, number)?, b)
        };
        if number > 0 {
            of_first.push(a);
            of_second.push(b);
        }
    }
    let ratios = of_first.iter().zip(&of_second).map(|(a, b)| b / a).collect();
    Ok(Comparison {
        name: name.to_owned(),
        first: (first_name.to_owned(), Spread::of(of_first)),
        second: (second_name.to_owned(), Spread::of(of_second)),
        ratio: Spread::of(ratios),
        figures: Vec::new(),
    })
}

impl Comparison {
    /// With one more figure.
    #[must_use]
    pub fn with(mut self, what: &str, value: f64) -> Comparison {
        self.figures.push((what.to_owned(), value));
        self
    }

    /// As JSON; times in seconds.
    pub fn json(&self) -> Value {
        let figures: serde_json::Map<String, Value> = self.figures.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        json!({
            "name": self.name,
            "first": { "name": self.first.0, "seconds": self.first.1.json() },
            "second": { "name": self.second.0, "seconds": self.second.1.json() },
            "second_over_first": self.ratio.json(),
            "figures": figures,
        })
    }

    /// As lines of text; times in milliseconds, medians and from least to most.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        for (name, spread) in [&self.first, &self.second] {
            text += &format!("  {name:<44} {} ms\n", spread.text(1e3, 1));
        }
        text += &format!("  {:<44} {}\n", "second over first", self.ratio.text(1.0, 2));
        for (what, value) in &self.figures {
            let value = if value.abs() < 0.01 { format!("{value:.1e}") } else { format!("{value:.2}") };
            text += &format!("  {what:<44} {value:>8}\n");
        }
        text
    }
}
