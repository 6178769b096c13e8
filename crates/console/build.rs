//! Renders `docs/RUNBOOK.md`, so that the page has the runbook of the version that is deployed.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

const RUNBOOK: &str = "../../docs/RUNBOOK.md";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={RUNBOOK}");
    let text = fs::read_to_string(RUNBOOK)?;
    let out = env::var("OUT_DIR")?;
    let rendered = rendered(&text);
    fs::write(Path::new(&out).join("runbook.html"), rendered.text)?;
    fs::write(Path::new(&out).join("contents.html"), rendered.contents)?;
    Ok(())
}

struct Rendered {
    text: String,
    /// A list of links to the sections.
    contents: String,
}

/// What the page's content security policy allows, and no link that leads nowhere there: none to another document,
/// no HTML but our own, no `style`. The title is the page's own.
fn rendered(text: &str) -> Rendered {
    let (mut events, mut contents) = (Vec::new(), Vec::new());
    let mut parser = Parser::new_ext(text, Options::ENABLE_TABLES).peekable();
    let mut leads_somewhere = true;
    while let Some(event) = parser.next() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let mut inside = Vec::new();
                while let Some(part) =
                    parser.next_if(|part| !matches!(part, Event::End(TagEnd::Heading(_))))
                {
                    inside.push(part);
                }
                let end = parser.next();
                if level == HeadingLevel::H1 {
                    continue;
                }
                let id = CowStr::from(anchor(&plain(&inside)));
                if level == HeadingLevel::H2 {
                    contents.extend(entry(&id, &inside));
                }
                events.push(Event::Start(Tag::Heading {
                    level,
                    id: Some(id),
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }));
                events.extend(inside);
                events.extend(end);
            }
            Event::Start(Tag::Link { ref dest_url, .. }) => {
                leads_somewhere = ["#", "https://"]
                    .iter()
                    .any(|start| dest_url.starts_with(start));
                events.extend(leads_somewhere.then_some(event));
            }
            Event::End(TagEnd::Link) => {
                events.extend(leads_somewhere.then_some(event));
            }
            // Aligned columns would be styled in place.
            Event::Start(Tag::Table(columns)) => {
                let columns = vec![pulldown_cmark::Alignment::None; columns.len()];
                events.push(Event::Start(Tag::Table(columns)));
            }
            Event::Html(html) | Event::InlineHtml(html) => events.push(Event::Text(html)),
            other => events.push(other),
        }
    }
    let list = [Event::Start(Tag::List(None))]
        .into_iter()
        .chain(contents)
        .chain([Event::End(TagEnd::List(false))]);
    Rendered {
        contents: written(list),
        text: written(events.into_iter()),
    }
}

fn written<'a>(events: impl Iterator<Item = Event<'a>>) -> String {
    let mut text = String::new();
    html::push_html(&mut text, events);
    text
}

/// A line of the contents.
fn entry<'a>(id: &str, inside: &[Event<'a>]) -> Vec<Event<'a>> {
    let link = Tag::Link {
        link_type: pulldown_cmark::LinkType::Inline,
        dest_url: format!("#{id}").into(),
        title: CowStr::from(""),
        id: CowStr::from(""),
    };
    let text = CowStr::from(plain(inside));
    vec![
        Event::Start(Tag::Item),
        Event::Start(link),
        Event::Text(text),
        Event::End(TagEnd::Link),
        Event::End(TagEnd::Item),
    ]
}

fn plain(inside: &[Event<'_>]) -> String {
    let texts = inside.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        _ => None,
    });
    texts.collect()
}

/// As GitHub makes it of a heading, so that the links in the text lead there, too.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter => letter
            .is_alphanumeric()
            .then(|| letter.to_ascii_lowercase()),
    });
    letters.collect()
}
