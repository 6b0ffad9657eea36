// The theme loads Mermaid from a CDN unless `mermaid` is defined. This stand-in loads the site's own copy, when the first
// diagram of a page is rendered.
const renderer = new URL("mermaid.js", document.currentScript.src);
let settings;

globalThis.mermaid = {
  initialize(given) {
    settings = given;
  },
  async render(...diagram) {
    await new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: renderer, onload: resolve, onerror: reject });
      document.head.append(script);
    });
    // The script has replaced this stand-in.
    globalThis.mermaid.initialize(settings);
    return globalThis.mermaid.render(...diagram);
  },
};
