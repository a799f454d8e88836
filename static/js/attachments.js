// Documents attached to a request: chosen or dropped, shown as chips, sent as base64 in the JSON body.

import { h, icon } from "./dom.js";
import { bytes } from "./format.js";

const MOST = 10;
const LARGEST = 10 * 1024 * 1024;
// Base64 makes a third more of it, and the API takes 16 MB.
const TOGETHER = 11 * 1024 * 1024;

/** The attached files of a form. `types` are the agent's input types, without a dot; none means it takes no files. */
export class Attachments {
  constructor({ drop, input, list, types, refuse }) {
    this.files = [];
    Object.assign(this, { list, types, refuse });
    const hover = (over) => drop?.classList.toggle("drop-over", over);
    // A file dropped beside the form would otherwise replace the page, and with it what was written.
    document.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      hover(true);
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? hover(false));
    document.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      hover(false);
      this.add(event.dataTransfer.files);
    });
    input?.addEventListener("change", () => {
      this.add(input.files);
      input.value = "";
    });
  }

  /** Take files in, or say what is wrong with them. */
  add(files) {
    const wrong = [];
    for (const file of files) {
      const problem = this.#problem(file);
      if (problem) wrong.push(problem);
      else this.files.push(file);
    }
    this.refuse(wrong.join(" "));
    this.#draw();
  }

  #problem(file) {
    const type = file.name.includes(".") ? file.name.split(".").pop().toLowerCase() : "";
    if (!this.types.length) return "This agent reads what you write, no documents.";
    if (!this.types.includes(type)) return `“${file.name}” cannot be read by this agent. It reads ${this.types.join(", ")}.`;
    if (file.size === 0) return `“${file.name}” is empty.`;
    if (file.size > LARGEST) return `“${file.name}” has ${bytes(file.size)}; 10 MB are the most.`;
    if (this.files.length >= MOST) return `“${file.name}” was left out: ${MOST} files are the most.`;
    if (this.files.reduce((sum, each) => sum + each.size, file.size) > TOGETHER) return `“${file.name}” was left out: together the files may have ${bytes(TOGETHER)}.`;
    return this.files.some((each) => each.name === file.name && each.size === file.size) ? `“${file.name}” is attached already.` : "";
  }

  clear() {
    this.files = [];
    this.#draw();
  }

  #draw() {
    this.list.replaceChildren(
      ...this.files.map((file) =>
        h(
          "li",
          { class: "file-chip" },
          icon("paperclip"),
          h("span", { class: "file-chip-name" }, file.name),
          h("span", { class: "quiet" }, bytes(file.size)),
          h("button", { class: "icon-button icon-button-small", type: "button", "aria-label": `Remove ${file.name}`, click: () => this.#remove(file) }, icon("x")),
        ),
      ),
    );
  }

  #remove(file) {
    this.files = this.files.filter((each) => each !== file);
    this.#draw();
    this.list.querySelector("button")?.focus();
  }

  /** Return the files as the API takes them. */
  encoded() {
    return Promise.all(this.files.map(async (file) => ({ name: file.name, content: await base64(file) })));
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`“${file.name}” could not be read. It may have been moved; attach it again.`));
    reader.readAsDataURL(file);
  });
}
