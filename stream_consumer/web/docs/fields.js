// The fields of an event, as rows of a table: name, type, whether it is required, bounds.
"use strict";

const resolved = (schema, schemas) => {
  const whole = schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
  return whole.allOf?.length === 1 ? resolved(whole.allOf[0], schemas) : whole;
};

// JavaScript cannot hold the bounds of 64 bits, which are those of the type and none of the model's.
const isOfModel = (value) => value !== undefined && Math.abs(value) <= Number.MAX_SAFE_INTEGER;

function range(least, most, unit) {
  if (isOfModel(least) && isOfModel(most)) return `${least} to ${most}${unit}`;
  if (isOfModel(least)) return `at least ${least}${unit}`;
  return isOfModel(most) ? `at most ${most}${unit}` : "";
}

function boundsOf(schema) {
  const above = isOfModel(schema.exclusiveMinimum) ? `more than ${schema.exclusiveMinimum}` : "";
  const below = isOfModel(schema.exclusiveMaximum) ? `less than ${schema.exclusiveMaximum}` : "";
  const allowed = schema.enum ? `one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}` : "";
  return [range(schema.minimum, schema.maximum, ""), range(schema.minLength, schema.maxLength, " characters"), above,
    below, allowed].filter(Boolean).join(", ");
}

function rowsOf(schema, schemas, prefix = "") {
  const whole = resolved(schema, schemas);
  return Object.entries(whole.properties ?? {}).flatMap(([name, property]) => {
    const inner = resolved(property, schemas);
    if (inner.properties) return rowsOf(inner, schemas, `${prefix}${name}.`);
    const kinds = (inner.anyOf ?? [inner]).map((one) => resolved(one, schemas));
    const type = kinds.map((one) => one.type ?? "any JSON value").flat().join(" or ");
    const bounds = kinds.map(boundsOf).filter(Boolean).join("; ");
    return [[`${prefix}${name}`, type, (whole.required ?? []).includes(name) ? "yes" : "no", bounds]];
  });
}
