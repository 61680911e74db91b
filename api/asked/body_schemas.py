"""The OpenAPI description of bodies: the same question as JSON and as a form, and which fields go together."""

from typing import Any

from pydantic import BaseModel

FORM_MEDIA = "image/png, image/jpeg, image/webp, image/gif, image/bmp"
_NOT_IN_FORMS = frozenset({"image_id", "image_index", "image_url", "items"})
_AS_JSON = frozenset({"where", "attributes"})

_REF = "#/components/schemas/{model}"

Schema = dict[str, Any]


def body(
    model: type[BaseModel],
    *examples: dict[str, Any],
    file: str | None = None,
    many: bool = False,
    one_of: tuple[str, ...] = (),
    or_else: str | None = None,
) -> Schema:
    """What `api.asked.bodies.read` takes, for `openapi_extra`. Models in the model lie under `$defs`, from where `documents` takes them.

    Args:
        examples: questions in JSON that can be tried as they are.
        file: field of a form that holds a picture; None takes no forms.
        many: whether it may come several times.
        one_of: fields of which exactly one is given in JSON.
        or_else: the field that will do when none of them is.
    """
    schema = model.model_json_schema(ref_template=_REF)
    if one_of:
        schema["oneOf"] = [_needs(schema, name) for name in one_of]
    if or_else is not None:
        absent = {name: {"type": "null"} for name in one_of}
        alone = _needs(schema, or_else)
        schema["oneOf"].append(alone | {"properties": alone["properties"] | absent})
    named = {" and ".join(example): {"value": example} for example in examples}
    content: Schema = {"application/json": {"schema": schema} | ({"examples": named} if named else {})}
    if file is not None:
        content["multipart/form-data"] = _form(model, file, many=many, or_else=or_else)
    return {"requestBody": {"required": True, "content": content}}


def _needs(schema: Schema, name: str) -> Schema:
    return {"required": [name], "properties": {name: _without_null(schema["properties"][name])}}


def _form(model: type[BaseModel], file: str, *, many: bool, or_else: str | None) -> Schema:
    schema = model.model_json_schema(ref_template=_REF)
    picture: Schema = {"type": "string", "format": "binary"}
    properties = (
        {} if many else {name: _without_null(field) for name, field in schema["properties"].items() if name not in _NOT_IN_FORMS}
    )
    properties[file] = {"type": "array", "items": picture, "minItems": 1, "maxItems": 200} if many else picture
    encoding: Schema = {name: {"contentType": "application/json"} for name in properties if name in _AS_JSON}
    encoding[file] = {"contentType": FORM_MEDIA}
    needs: Schema = {"anyOf": [{"required": [file]}, {"required": [or_else]}]} if or_else else {"required": [file]}
    form = {
        "type": "object",
        "properties": properties,
        **needs,
        "additionalProperties": schema.get("additionalProperties", True),
    }
    return {"schema": form, "encoding": encoding}


def _without_null(field: Schema) -> Schema:
    """The field as it is when it is given: nobody can say null in a form."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name != "anyOf" and not (name == "default" and value is None)}
    if not kinds:
        return rest
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
