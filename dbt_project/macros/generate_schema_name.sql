{#- Where a model is built, read from its folder alone, so that adding an agency or a subject edits no shared file. -#}

{#- Layer of a node: staging, intermediate, warehouse, or whatever its first folder is called. -#}
{% macro layer_of(node) -%}
    {{- return(node.fqn[1]) -}}
{%- endmacro %}

{#- Subject of a node, or none: staging belongs to agencies and may be read by every subject. -#}
{% macro subject_of(node) -%}
    {{- return(node.fqn[2] if layer_of(node) in ('intermediate', 'warehouse') else none) -}}
{%- endmacro %}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if layer_of(node) == 'warehouse' -%}
        candidate_{{ subject_of(node) }}
    {%- elif layer_of(node) in ('staging', 'intermediate') -%}
        {{ layer_of(node) }}
    {%- else -%}
        {{ target.schema }}
    {%- endif -%}
{%- endmacro %}
