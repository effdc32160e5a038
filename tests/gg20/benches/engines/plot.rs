//! What was measured, as a plot: a panel for each question, a bar for each engine in each committee.

use std::fmt::Write as _;

use crate::measure::Measured;

const PANEL: (f64, f64) = (260.0, 250.0);
const COLUMNS: usize = 3;
const TOP: f64 = 60.0;
const MARGIN: f64 = 20.0;
/// Of the tallest bar.
const BAR: f64 = 130.0;
const BAR_WIDTH: f64 = 38.0;

type Question = (&'static str, &'static str, fn(&Measured) -> f64);

/// Each panel: what it shows, in what unit, and whose figure.
const PANELS: [Question; 6] = [
    ("withdrawals a second, many at a time", "", |m| m.concurrent.per_second()),
    ("CPU of all processes, each withdrawal", "ms", |m| m.concurrent.cpu_ms_each()),
    ("latency, one after another, p50", "ms", |m| m.sequential.percentile_ms(50)),
    ("between nodes, each withdrawal", "KiB", |m| m.concurrent.bytes_each() / 1_024.0),
    ("key generation, median", "s", |m| m.key_s),
    ("CPU of a key generation", "s", |m| m.key_cpu_s),
];

fn colour(engine: &str) -> &'static str {
    match engine {
        "dkls23" => "#1f6f8b",
        _ => "#d17b0f",
    }
}

/// The whole picture.
pub(crate) fn svg(measured: &[Measured]) -> String {
    let rows = PANELS.len().div_ceil(COLUMNS);
    let width = place(COLUMNS) * PANEL.0 + 2.0 * MARGIN;
    let height = place(rows) * PANEL.1 + TOP + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#222\">\n<title>The engines compared</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    legend(&mut svg);
    for (number, question) in PANELS.iter().enumerate() {
        let x = MARGIN + place(number % COLUMNS) * PANEL.0;
        let y = TOP + place(number / COLUMNS) * PANEL.1;
        panel(&mut svg, (x, y), question, measured);
    }
    svg + "</svg>\n"
}

fn legend(svg: &mut String) {
    for (number, engine) in crate::ENGINES.iter().enumerate() {
        let x = MARGIN + place(number) * 110.0;
        let colour = colour(engine);
        writeln!(svg, "<rect x=\"{x}\" y=\"20\" width=\"14\" height=\"14\" fill=\"{colour}\"/>").unwrap();
        writeln!(svg, "<text x=\"{}\" y=\"32\">{engine}</text>", x + 20.0).unwrap();
    }
}

fn panel(svg: &mut String, (x, y): (f64, f64), (title, unit, figure): &Question, measured: &[Measured]) {
    let tallest = measured.iter().map(figure).fold(f64::MIN_POSITIVE, f64::max);
    let ground = y + 40.0 + BAR;
    writeln!(svg, "<text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{title}</text>", y + 10.0).unwrap();
    writeln!(
        svg,
        "<line x1=\"{x}\" y1=\"{ground}\" x2=\"{}\" y2=\"{ground}\" stroke=\"#222\"/>",
        x + PANEL.0 - 50.0
    )
    .unwrap();
    for (group, committee) in crate::COMMITTEES.iter().enumerate() {
        let left = x + 5.0 + place(group) * 100.0;
        writeln!(svg, "<text x=\"{}\" y=\"{}\">{committee}</text>", left + 24.0, ground + 18.0).unwrap();
        let bars = measured.iter().filter(|measured| measured.committee == *committee);
        for (number, measured) in bars.enumerate() {
            bar(
                svg,
                (left + place(number) * (BAR_WIDTH + 4.0), ground),
                (figure(measured), tallest),
                (unit, measured.engine),
            );
        }
    }
}

fn bar(
    svg: &mut String,
    (x, ground): (f64, f64),
    (value, tallest): (f64, f64),
    (unit, engine): (&str, &str),
) {
    let height = (value / tallest * BAR).max(1.0);
    let (top, colour) = (ground - height, colour(engine));
    writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{BAR_WIDTH}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    )
    .unwrap();
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\">{value:.digits$} {unit}</text>",
        x + BAR_WIDTH / 2.0,
        top - 4.0
    )
    .unwrap();
}

/// How many of something a place is away.
fn place(number: usize) -> f64 {
    crate::measure::number(number)
}
