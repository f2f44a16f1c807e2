"""The form of an OpenAPI 3.1 document (specification 3.1.0, sections 4.8.1 to 4.8.30) as a JSON Schema, as far as ours
uses it: every object closed but for x-, so that a misspelt or misplaced key is found. Debian has the specification's own
schema for 3.0 only, and that one refuses the JSON Schemas of 3.1."""


def closed(needed, /, **properties):
    return {"type": "object", "required": needed.split(), "properties": properties, "patternProperties": {"^x-": {}},
            "additionalProperties": False}


def mapping(values, names=None):
    schema = {"type": "object", "additionalProperties": values}
    return {**schema, "propertyNames": {"pattern": names}} if names else schema


TEXT = {"type": "string", "minLength": 1}
FLAG = {"type": "boolean"}
SCHEMA = {"type": "object"}  # JSON Schema's own form is checked apart
MEDIA = mapping(closed("schema", schema=SCHEMA), r"^[a-z]+/[a-z0-9.+-]+(; [a-z]+=[A-Za-z0-9.-]+)*$")
COMPONENT_NAME = r"^([a-zA-Z0-9._-]+|x-.+)$"

PARAMETER = {
    **closed("name in schema", name=TEXT, description=TEXT, required=FLAG, schema=SCHEMA,
             **{"in": {"enum": ["query", "path", "header", "cookie"]}}),
    "if": {"properties": {"in": {"const": "path"}}}, "then": {"properties": {"required": {"const": True}}, "required": ["required"]},
}
RESPONSE = closed("description", description=TEXT, content=MEDIA, headers={"type": "object"})
OPERATION = closed(
    "operationId summary responses security", operationId={"type": "string", "pattern": "^[a-z][A-Za-z0-9]*$"}, summary=TEXT,
    description=TEXT, parameters={"type": "array", "items": PARAMETER, "minItems": 1},
    requestBody=closed("content", description=TEXT, content=MEDIA, required=FLAG),
    responses={**mapping(RESPONSE, "^[1-5][0-9][0-9]$"), "minProperties": 1},
    security={"type": "array", "items": mapping({"type": "array", "items": TEXT}, "^(bearer|cookie|workload)$")},
    tags={"type": "array", "items": TEXT})
OPERATION["required"] += ["x-egress-role", "x-egress-body-limit-bytes"]
OPERATION["properties"].update({
    "x-egress-role": {"enum": ["anyone", "viewer", "operator", "admin", "workload", "workload or operator"]},
    "x-egress-body-limit-bytes": {"type": "integer", "minimum": 0}})
SECURITY_SCHEME = {"oneOf": [
    closed("type scheme", type={"const": "http"}, scheme={"const": "bearer"}, description=TEXT),
    closed("type in name", type={"const": "apiKey"}, name=TEXT, description=TEXT, **{"in": {"enum": ["cookie", "header", "query"]}})]}
CODE = closed("code status meaning", code={"type": "string", "pattern": "^[a-z_]+$"}, meaning=TEXT,
              status={"type": "integer", "minimum": 400, "maximum": 599})

DOCUMENT_SCHEMA = closed(
    "openapi info servers paths components", openapi={"const": "3.1.0"},
    info=closed("title version description", title=TEXT, version=TEXT, description=TEXT),
    servers={"type": "array", "items": closed("url", url=TEXT), "minItems": 1},
    paths=mapping(closed("", get=OPERATION, post=OPERATION, delete=OPERATION), r"^/([a-z0-9._:-]+|\{[a-z0-9_]+\}|/)*$"),
    components={**closed("schemas securitySchemes", schemas=mapping(SCHEMA, COMPONENT_NAME),
                         securitySchemes=mapping(SECURITY_SCHEME, "^(bearer|cookie|workload)$")),
                "patternProperties": {"^x-egress-error-codes$": {"type": "array", "items": CODE, "minItems": 1}}})
