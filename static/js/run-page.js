// The page of one run: shows it ended, or follows it while it goes on.

import { embedded } from "./dom.js";
import { RunView } from "./run-view.js";

const run = embedded("run-data");
const place = document.querySelector("[data-run-view]");
const html = place.querySelector("[data-html]");
const agent = { agent_id: run.agent_id, structured: run.structured_output !== null ? true : undefined };
const view = new RunView({ agent, link: false, mayStop: place.dataset.mayStop === "yes" });

view.ask(run.input, run.documents.map((name) => ({ name })));
place.replaceChildren(view.element);
if (["queued", "running"].includes(run.status)) view.follow({ run });
else view.show(run, html);
