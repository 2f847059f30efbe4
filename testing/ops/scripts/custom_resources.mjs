// Validates custom resources of the Prometheus operator: custom_resources.mjs FILE...
import { readFileSync } from "node:fs";
import * as models from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

for (const path of process.argv.slice(2)) {
  const object = JSON.parse(readFileSync(path, "utf8"));
  const Model = models[object.kind];
  new Model(object).validate();
  // The schema must refuse a damaged object, or the check is worth nothing.
  let refused = false;
  try {
    new Model({ ...object, spec: 7 }).validate();
  } catch {
    refused = true;
  }
  if (!refused) throw new Error(`${object.kind}: the schema accepts any object`);
  console.log(`kubernetes     ${object.kind} valid`);
}
