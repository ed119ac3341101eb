//! A bar chart of ratios as an SVG: what each comes to beside the limit, with the range of its rounds.

use std::fmt::Write as _;
use std::path::Path;

use crate::figures::{median, quantile};

/// Pixels: where bars begin, how long one of 1 is, how high a row is.
const LEFT: f64 = 190.0;
const WIDTH: f64 = 400.0;
const ROW: f64 = 34.0;

/// Writes the chart to `file` below the package's folder: a title, and per row its name and ratios, of which the first row's is 1.
pub fn write(file: &str, title: &str, rows: &[(&str, Vec<f64>)]) {
    let (wide, high) = (LEFT + WIDTH * 1.25, ROW * (rows.len() as f64 + 1.5));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{wide}\" height=\"{high}\" fill=\"#fff\"/>\n<text x=\"10\" y=\"22\" font-weight=\"bold\">{title}</text>\n"
    );
    for (index, (name, ratios)) in rows.iter().enumerate() {
        let top = ROW * (index as f64 + 1.2);
        let middle = median(ratios);
        let [end, least, most] = [middle, quantile(ratios, 0.0), quantile(ratios, 1.0)].map(|at| LEFT + WIDTH * at);
        let (line, text, fill) = (top + 10.0, top + 15.0, if index == 1 { "#2a6f97" } else { "#a9bcd0" });
        writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top:.0}\" width=\"{:.0}\" height=\"20\" fill=\"{fill}\"/>\n\
             <path d=\"M{least:.0} {line:.0}H{most:.0}\" stroke=\"#333\"/>\n\
             <text x=\"{:.0}\" y=\"{text:.0}\">{middle:.2}</text>",
            LEFT - 8.0,
            end - LEFT,
            most.max(end) + 6.0,
        )
        .expect("text can be written");
    }
    svg.push_str("</svg>\n");
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), svg).expect("the folder can be written");
}
