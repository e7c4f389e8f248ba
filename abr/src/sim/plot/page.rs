//! A page of its own: pictures and a table in one HTML file that loads nothing.

use super::svg::escape;
use crate::sim::report::summary::Line;
use std::fmt::Write as _;

/// A page with these pictures (name, SVG), and a table of the lines. Writing to a string cannot fail.
pub fn page(title: &str, said: &str, pictures: &[(String, String)], lines: &[Line]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>{0}</title>\
         <style>body{{font-family:system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;\
         color:#1f2328;background:#fff}}svg{{max-width:100%;height:auto;display:block;margin:1.5rem 0}}\
         table{{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}}\
         th,td{{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #8b949e55}}\
         th:nth-child(-n+3),td:nth-child(-n+3){{text-align:left}}\
         @media(prefers-color-scheme:dark){{body{{color:#e6edf3;background:#0d1117}}}}</style></head>\
         <body><h1>{0}</h1><p>{1}</p>\n",
        escape(title),
        escape(said)
    );
    for (_, svg) in pictures {
        html.push_str(svg);
    }
    if !lines.is_empty() {
        html.push_str(
            "<table><thead><tr><th>set</th><th>conditions</th><th>controller</th><th>sessions</th><th>% of best</th>\
             <th>p10</th><th>stalled %</th><th>p90</th><th>start s</th><th>switches/min</th><th>kbit/s</th></tr></thead>\
             <tbody>\n",
        );
        lines.iter().for_each(|line| row(&mut html, line));
        html.push_str("</tbody></table>\n");
    }
    html.push_str("</body></html>\n");
    html
}

fn row(html: &mut String, line: &Line) {
    let percent = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
    let conditions = format!(
        "{}, {}, {} s, {}{}{}",
        line.title,
        line.link,
        line.cap_s,
        line.qoe,
        if line.parameters.is_empty() { "" } else { ", " },
        line.parameters
    );
    let _ = writeln!(
        html,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{:.2}</td>\
         <td>{:.2}</td><td>{:.2}</td><td>{:.0}</td></tr>",
        escape(&line.set),
        escape(&conditions),
        escape(&line.controller),
        line.sessions,
        percent(line.percent_of_optimum_mean),
        percent(line.percent_of_optimum_p10),
        line.rebuffer_ratio_mean * 100.0,
        line.rebuffer_ratio_p90 * 100.0,
        line.startup_s_mean,
        line.switches_per_minute,
        line.mean_bitrate_bps / 1000.0
    );
}
