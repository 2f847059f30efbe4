//! A manual page in the macros of man(7).

/// A manual page under construction.
///
/// Texts have the markup of the schema: words between backticks become bold.
pub(super) struct Roff(String);

impl Roff {
    /// Creates a page with its name and section.
    ///
    /// A page has no date: the same program always prints the same page.
    pub(super) fn new(name: &str, section: u8, manual: &str) -> Self {
        let (name, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
        Self(format!(
            ".\\\" Output of `ron-gateway generate`.\n\
             .TH {name} {section} \"\" \"ron-gateway {version}\" \"{manual}\"\n"
        ))
    }

    /// Adds the section that `whatis` reads.
    pub(super) fn name(&mut self, name: &str, purpose: &str) {
        self.heading("Name");
        self.0 += &format!("{name} \\- {purpose}\n");
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.0 += &format!(".SH {}\n", text.to_uppercase());
    }

    /// Adds lines to the current paragraph.
    pub(super) fn text(&mut self, text: &str) {
        for line in text.lines() {
            self.0 += &line_of(line);
        }
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let after_heading = self.0.lines().last();
        if !after_heading.is_some_and(|line| line.starts_with(".SH ")) {
            self.0 += ".PP\n";
        }
        self.text(text);
    }

    /// Adds a term and its explanation.
    pub(super) fn term(&mut self, term: &str, text: &str) {
        self.0 += ".TP\n";
        self.text(term);
        self.text(text);
    }

    /// Adds an unfilled example.
    pub(super) fn example(&mut self, text: &str) {
        self.0 += ".PP\n.in +4n\n.nf\n";
        for line in text.lines() {
            self.0 += &guarded(&code(line));
        }
        self.0 += ".fi\n.in\n";
    }

    /// Adds references to other pages: name and section.
    pub(super) fn see(&mut self, pages: &[(&str, &str)]) {
        self.heading("See also");
        for (at, (name, section)) in pages.iter().enumerate() {
            let comma = if at + 1 < pages.len() { "," } else { "" };
            self.0 += &format!(".BR {} ({section}){comma}\n", code(name));
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

fn line_of(text: &str) -> String {
    guarded(&inline(text))
}

/// Converts backticks to bold and escapes the rest.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => escaped(part),
        _ => format!("\\fB{}\\fR", code(part)),
    });
    parts.collect()
}

/// Escapes prose: a dash stays a hyphen.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
}

/// Escapes words for copying: dashes, carets and tildes stay ASCII.
fn code(text: &str) -> String {
    let text = escaped(text).replace('-', "\\-").replace('~', "\\(ti");
    text.replace('^', "\\(ha").replace('\'', "\\(aq")
}

/// Ends a line, and keeps it from starting as a request.
fn guarded(line: &str) -> String {
    match line.chars().next() {
        None => ".sp\n".to_owned(),
        Some('.' | '\'') => format!("\\&{line}\n"),
        Some(_) => format!("{line}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_bold_and_text_is_escaped() {
        assert_eq!(inline("a `b-c` d-e\\"), "a \\fBb\\-c\\fR d-e\\e");
        assert_eq!(line_of(".x"), "\\&.x\n");
        assert_eq!(line_of("'x"), "\\&'x\n");
        assert_eq!(code("'~^'"), "\\(aq\\(ti\\(ha\\(aq");
    }
}
