/// HTML as it is being written. Markup can come from our own source only, which the types see to; all else is escaped.
#[derive(Default)]
pub(crate) struct Html(String);

impl Html {
    /// Markup, as it is.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Any text, for an element's content or an attribute's value in double quotes.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// A description: what stands between backticks is code.
    pub(crate) fn words(&mut self, text: &str) -> &mut Self {
        for (place, piece) in text.split('`').enumerate() {
            if place % 2 == 0 {
                self.text(piece);
            } else {
                self.code(piece);
            }
        }
        self
    }

    /// A description with paragraphs.
    pub(crate) fn paragraphs(&mut self, text: &str) -> &mut Self {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            self.raw("<p>").words(paragraph).raw("</p>");
        }
        self
    }

    pub(crate) fn code(&mut self, text: &str) -> &mut Self {
        self.raw("<code>").text(text).raw("</code>")
    }

    /// A path, which may be broken after each slash.
    pub(crate) fn path(&mut self, path: &str) -> &mut Self {
        self.raw("<code class=\"path\">");
        for segment in path.split_inclusive('/') {
            self.text(segment).raw("<wbr>");
        }
        self.raw("</code>")
    }

    /// A listing, under a heading that names it.
    pub(crate) fn listing(&mut self, text: &str) -> &mut Self {
        self.raw("<pre><code>").text(text).raw("</code></pre>")
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// What begins each page. `to_files` leads from it to the folder of the pages' files.
pub(crate) fn begin(title: &str, to_files: &'static str) -> Html {
    let mut html = Html::default();
    html.raw(concat!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>"
    ));
    html.text(title).raw("</title>\n<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"");
    html.raw(to_files).raw("docs.css\">\n<script type=\"module\" src=\"").raw(to_files);
    html.raw("docs.js\"></script>\n</head>\n<body>\n");
    html.raw("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n");
    html
}

pub(crate) const END: &str = "</main>\n</div>\n</body>\n</html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_markup_of_ours_is_escaped() {
        let mut html = Html::default();
        html.raw("<b>").text("<i a=\"b\" c='d'>&").words(" `<x>` y").path("/a/<b>");
        let escaped = "<b>&lt;i a=&quot;b&quot; c=&#39;d&#39;&gt;&amp; <code>&lt;x&gt;</code> y";
        let path = "<code class=\"path\">/<wbr>a/<wbr>&lt;b&gt;<wbr></code>";
        assert_eq!(html.finish(), format!("{escaped}{path}"));
    }
}
