//! The curves of a run: one chart for records that belong together.

use crate::report::axis::{Axis, Unit};
use crate::report::chart::{Chart, Line, axis_around};
use crate::report::content::Content;
use crate::report::picture::Picture;
use crate::report::stacked::stacked;
use crate::run::epoch_log::EpochRecord;
use crate::run::epoch_notes as notes;

/// Metrics of one chart: its title, and each metric's short and whole name.
type Group = (String, Vec<(String, String)>);

/// Groups metrics into charts.
///
/// `recall@1 image→text` and `recall@5 image→text` are lines `@1` and `@5` of `recall image→text`.
/// Others go by their first word: `mean rank text` and `mean rank image` are lines `text` and
/// `image` of `mean rank`.
fn groups(names: &[String]) -> Vec<Group> {
    let mut groups: Vec<(String, Vec<&String>)> = Vec::new();
    for name in names {
        let (head, tail) = name.split_once(' ').unwrap_or((name, ""));
        let key = head.split_once('@').map_or_else(|| head.to_owned(), |(base, _)| format!("{base} {tail}"));
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(name),
            None => groups.push((key, vec![name])),
        }
    }
    groups.into_iter().map(|(key, members)| titled(key, &members)).collect()
}

fn titled(key: String, members: &[&String]) -> Group {
    if let [name] = members {
        return ((*name).clone(), vec![(String::new(), (*name).clone())]);
    }
    let at_rank = |name: &str| Some(format!("@{}", name.split(' ').next()?.split_once('@')?.1));
    if let Some(lines) = members.iter().map(|name| Some((at_rank(name)?, (*name).clone()))).collect() {
        return (key.trim_end().to_owned(), lines);
    }
    let words: Vec<Vec<&str>> = members.iter().map(|name| name.split(' ').collect()).collect();
    let same = |k: &usize| words.iter().all(|w| w.get(*k).is_some() && w.get(*k) == words[0].get(*k));
    let common = (0..).take_while(same).count();
    let line = |w: &Vec<&str>| if w.len() > common { w[common..].join(" ") } else { "all".to_owned() };
    let lines = words.iter().zip(members).map(|(words, name)| (line(words), (*name).clone())).collect();
    (words[0][..common].join(" "), lines)
}

fn values(records: &[EpochRecord], value: impl Fn(&EpochRecord) -> Option<f64>) -> Vec<f64> {
    records.iter().map(|record| value(record).unwrap_or(f64::NAN)).collect()
}

fn single(title: &str, values: Vec<f64>, axis: Option<Axis>, unit: Unit) -> Option<Chart> {
    values.iter().any(|v| v.is_finite()).then(|| {
        let lines = vec![Line { class: "s0".into(), name: String::new(), values, strong: true }];
        let axis = axis.unwrap_or_else(|| axis_around(&lines, unit));
        Chart { title: title.to_owned(), lines, axis, mark: None }
    })
}

fn metric_chart(records: &[EpochRecord], (title, members): Group) -> Chart {
    let line = |(k, (name, metric)): (usize, &(String, String))| {
        let of = |record: &EpochRecord| notes::numbers(record, "metrics").find(|(n, _)| n == metric).map(|(_, v)| v);
        Line { class: format!("s{}", k % 6), name: name.clone(), values: values(records, of), strong: false }
    };
    let lines: Vec<Line> = members.iter().enumerate().map(line).collect();
    let shares = lines.iter().flat_map(|line| &line.values).filter(|v| v.is_finite()).all(|v| (0.0..=1.0).contains(v));
    let axis = axis_around(&lines, if shares { Unit::Percent } else { Unit::Plain });
    Chart { title, lines, axis, mark: None }
}

fn shares(content: &Content) -> Option<Picture> {
    let recorded = notes::names(&content.records, "shares");
    let looks = content.palette.looks().iter().filter(|look| recorded.contains(&look.name));
    let line = |look: &crate::report::operation::Look| {
        let of = |record: &EpochRecord| notes::numbers(record, "shares").find(|(n, _)| *n == look.name).map(|(_, v)| v);
        Line {
            class: content.palette.class(&look.name),
            name: look.abbreviation.clone(),
            values: values(&content.records, of),
            strong: false,
        }
    };
    let lines: Vec<Line> = looks.map(line).collect();
    (!lines.is_empty()).then(|| stacked("operations that lead, share of blocks", &lines))
}

/// All charts of a run, the most informative first.
pub(crate) fn curves(content: &Content) -> Vec<Picture> {
    let records = &content.records;
    let note = |title: &str, key: &str| {
        single(title, values(records, |r| notes::number(r, key)), Some(Axis::shares(0.25)), Unit::Percent)
    };
    let mut charts: Vec<Chart> = Vec::new();
    charts.extend(single("training loss", values(records, |r| Some(r.loss)), None, Unit::Plain));
    if let Some(mut chart) = single("validation", values(records, |r| Some(r.validation)), None, Unit::Percent) {
        chart.mark = content.best();
        chart.title += ", best ringed";
        charts.push(chart);
    }
    let metrics = notes::names(records, "metrics");
    charts.extend(groups(&metrics).into_iter().map(|group| metric_chart(records, group)));
    charts.extend(single("learning rate", values(records, |r| Some(r.learning_rate)), None, Unit::Plain));
    charts.extend(note("entropy of alpha (100 % is undecided)", "entropy"));
    charts.extend(note("agreement with the epoch before", "agreement"));
    charts.iter().map(Chart::draw).chain(shares(content)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_a_kind_share_a_chart() {
        let names = [
            "recall@1 image→text",
            "recall@5 image→text",
            "recall@1 text→image",
            "accuracy yes/no",
            "accuracy number",
            "mean rank of images",
            "accuracy",
            "mean rank of captions",
            "IoU",
        ];
        let found = groups(&names.map(str::to_owned));
        let short: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(title, lines)| (title.as_str(), lines.iter().map(|(l, _)| l.as_str()).collect()))
            .collect();
        let expected = [
            ("recall image→text", vec!["@1", "@5"]),
            ("recall@1 text→image", vec![""]),
            ("accuracy", vec!["yes/no", "number", "all"]),
            ("mean rank of", vec!["images", "captions"]),
            ("IoU", vec![""]),
        ];
        assert_eq!(short, expected);
    }
}
