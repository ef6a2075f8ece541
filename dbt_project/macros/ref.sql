{#-
    A subject reads another subject as released, never as candidate: what has not passed its gate must not leak
    into a subject that passes its own. Staging may be read by every subject; the intermediate models of another
    subject may not, since no gate ever sees them.

    builtins.ref keeps the dependency in dbt's graph. In a unit test it answers with the name of the fixture's CTE,
    which must stay as it is.
-#}
{% macro ref(model_name) -%}
    {%- set relation = builtins.ref(model_name) -%}
    {%- if not execute or relation.is_cte or model.resource_type == 'unit_test' -%}
        {{- return(relation) -}}
    {%- endif -%}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
    {%- set subject = subject_of(node) -%}
    {%- if subject is none or subject == subject_of(model) -%}
        {{- return(relation) -}}
    {%- endif -%}
    {%- if layer_of(node) != 'warehouse' -%}
        {{- exceptions.raise_compiler_error(
            model.name ~ " reads " ~ model_name ~ ", an intermediate model of subject " ~ subject
            ~ ": read one of its warehouse models, which are released through its gate"
        ) -}}
    {%- endif -%}
    {{- return(api.Relation.create(
        database=relation.database, schema=subject, identifier=relation.identifier, type='table'
    )) -}}
{%- endmacro %}
