"""ConfigService: the configuration in force, and having it read again."""

from __future__ import annotations

from google.protobuf import timestamp_pb2
from llmgateway.admin.v1 import config_pb2

from llm_gateway import config
from llm_gateway.admin.gateway import Administered
from llm_gateway.config.effective import Setting, Source, settings_of
from llm_gateway.config.reading import within
from llm_gateway.config.values import nearest
from llm_gateway.errors import ConfigInvalid, InvalidRequest, Violation
from llm_gateway.rpc.chain import Rpc


class ConfigService:
    """llmgateway.admin.v1.ConfigService."""

    def __init__(self, gateway: Administered) -> None:
        self._gateway = gateway

    async def GetEffectiveConfig(  # noqa: N802 - the contract's name
        self, request: config_pb2.GetEffectiveConfigRequest, rpc: Rpc
    ) -> config_pb2.GetEffectiveConfigResponse:
        settings = self._gateway.settings
        found = [one for one in settings_of(settings) if not request.key or within(one.key, request.key)]
        if not found:
            steps = (one.key.split(".") for one in settings_of(settings))
            known = {".".join(each[:depth]) for each in steps for depth in range(1, len(each) + 1)}
            right = nearest(request.key, known) or "name one such as server.listen, or a section such as providers."
            right = f"No setting in force has this key; {right}"
            raise InvalidRequest(violations=[Violation(field="key", description=right, reason="UNKNOWN_KEY")])
        loaded = timestamp_pb2.Timestamp()
        loaded.FromDatetime(self._gateway.loaded)
        return config_pb2.GetEffectiveConfigResponse(
            version=config.fingerprint(settings),
            file=config.origins_of(settings).file,
            load_time=loaded,
            settings=map(_setting, found),
        )

    async def ReloadConfig(  # noqa: N802 - the contract's name
        self, request: config_pb2.ReloadConfigRequest, rpc: Rpc
    ) -> config_pb2.ReloadConfigResponse:
        rpc.outcome["validate_only"] = request.validate_only
        try:
            done = await self._gateway.reload(check_only=request.validate_only)
        except config.ConfigError as error:
            raise _refused(error.errors) from None
        except (OSError, ValueError) as error:
            raise _refused([config.ConfigProblem(file="configuration", wrong=str(error))]) from None
        rpc.outcome |= {"version": done.version, "previous_version": done.previous}
        return config_pb2.ReloadConfigResponse(
            version=done.version, previous_version=done.previous, restart_settings=done.restart
        )


_SOURCES = {source: getattr(config_pb2, f"SETTING_SOURCE_{source.name}") for source in Source}


def _setting(one: Setting) -> config_pb2.Setting:
    return config_pb2.Setting(
        key=one.key,
        value=one.value,
        source=_SOURCES[one.source],
        line=one.line,
        variables=one.variables,
        flag=one.flag,
    )


def _refused(problems: list[config.ConfigProblem]) -> ConfigInvalid:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ConfigInvalid(
        f"The configuration stays as it is: {problems[0]}{more}",
        violations=[
            Violation(
                field=problem.file if problem.line is None else f"{problem.file}:{problem.line}",
                description="; ".join(
                    filter(None, (": ".join(filter(None, (problem.key, problem.wrong))), problem.right))
                ),
                reason=ConfigInvalid.reason,
            )
            for problem in problems
        ],
    )
