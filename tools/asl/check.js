// What AWS's language service, and asl-validator, find in a definition: one line for each finding.
//
//   node check.js FOLDER < definition       FOLDER is where npm has installed them

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const installed = createRequire(`${process.argv[2]}/`);
const { getLanguageService } = installed("amazon-states-language-service");
const { TextDocument } = installed("vscode-languageserver-textdocument");
const aslValidator = installed("asl-validator");

const text = readFileSync(0, "utf8");

const service = getLanguageService({});
const document = TextDocument.create("file:///definition.asl.json", "asl", 1, text);
for (const found of await service.doValidation(document, service.parseJSONDocument(document))) {
  console.log(`amazon-states-language-service: line ${found.range.start.line + 1}: ${found.message}`);
}

for (const found of aslValidator(JSON.parse(text), { checkPaths: true, checkArn: true }).errors) {
  console.log(`asl-validator: ${found["Error code"]}: ${found.Message ?? JSON.stringify(found)}`);
}
