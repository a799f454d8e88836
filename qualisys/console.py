"""What every page of the platform console shares: writes go through services, and what hurts is asked first.

The console is the Django admin; an app's `admin.py` says what is listed and which service writes it. A `Problem`
that a service raises becomes an error of the form, with everything typed still in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from unfold.admin import ModelAdmin as ThemedAdmin
from unfold.decorators import action as themed_action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from qualisys import audit
from qualisys.problems import Problem
from qualisys.text import unstorable

if TYPE_CHECKING:
    PlainAdmin = admin.ModelAdmin[Any]
    PlainModelForm = forms.ModelForm[Any]
else:
    PlainAdmin = admin.ModelAdmin
    PlainModelForm = forms.ModelForm

F = TypeVar("F", bound=Callable[..., Any])

#: The platform's audit chain.
PLATFORM_CHAIN = "00000000-0000-0000-0000-000000000000"


def refuse_unstorable(request: HttpRequest) -> None:
    """Raise `validation_error` where a request carries text that the database can neither search nor store."""
    sent = (request.GET, request.POST)
    if any(unstorable(values) for query in sent for _, values in query.lists()):
        raise Problem("validation_error", "This address or form has characters that no text can have.")


def act(title: str, sign: str, may: str, *, hurts: bool = False) -> Callable[[F], F]:
    """Offer a method as a button of an object's page, to whom `has_<may>_permission` admits."""
    variant = ActionVariant.DANGER if hurts else ActionVariant.PRIMARY
    return cast(
        "Callable[[F], F]", themed_action(description=title, icon=sign, variant=variant, permissions=[may])
    )


class _Refusing:
    """The block of `ServiceForm.refusing`; a class, because only so a type checker knows that it may end early."""

    def __init__(self, form: ServiceForm) -> None:
        self._form = form

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool:
        if isinstance(error, Problem):
            self._form.refuse(error)
            return True
        return False


class ServiceForm(forms.Form):
    """A form whose service may refuse what the form itself let pass."""

    #: What the service refused, if it did.
    refusal: Problem | None = None

    def refusing(self) -> _Refusing:
        """Show in the form what a service refuses within the block; whoever goes on behind the block was refused."""
        return _Refusing(self)

    @property
    def http_status(self) -> int:
        """The HTTP status of a page that shows the form: of what refused it, if anything did."""
        if self.refusal is not None:
            return self.refusal.status
        return 422 if self.errors else 200

    def clean(self) -> dict[str, Any]:
        """Show what the service refused when it was asked."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.refusal is not None:
            self.refuse(self.refusal)
        return values

    def refuse(self, problem: Problem) -> None:
        """Put a refusal where it belongs: at its fields, or above the form."""
        self.refusal = problem
        for error in problem.errors:
            name, _, inner = error["field"].partition(".")
            message = f"{inner}: {error['message']}" if inner else error["message"]
            if name not in self.fields:
                self.add_error(None, f"{error['field']}: {message}")
            elif name not in self.errors:
                self.add_error(name, message)
        if not problem.errors:
            self.add_error(None, problem.detail)


class ServiceModelForm(ServiceForm, PlainModelForm):
    """The same for the form of a model."""


class ReasonForm(ServiceForm):
    """Why something is done, for the audit trail."""

    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "autofocus": True}),
        help_text="One sentence. It is kept in the audit trail, for good.",
    )


@dataclass(frozen=True)
class Step:
    """An act that asks first: what it is called, what follows from it, and how it is done.

    `do` does it through a service; `done` is said afterwards. The reason the person gives is on its audit events.
    """

    title: str
    consequences: Sequence[str]
    button: str
    done: str
    do: Callable[[str], object]
    danger: bool = True


class _OwnTransaction(PlainAdmin):
    """Lets the service own the transaction, so that what it announces after its commit is really committed."""

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]


class ServiceAdmin(ThemedAdmin, _OwnTransaction):  # type: ignore[misc]
    """A console page whose every write is a service call, and on which nothing can be deleted."""

    actions = None
    list_per_page = 50
    warn_unsaved_form = True
    #: The type under which the audit trail knows these objects.
    audit_type = ""
    #: Which of `actions_detail` an object in its present state is offered.
    offers: Mapping[str, Callable[[Any], bool]] = {}
    #: What an empty list says about its first entry.
    first_step = ""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show or save; what a service refuses is shown in the form, with everything typed."""
        refuse_unstorable(request)
        # A new object is saved one way; editing on is for what can be edited.
        buttons = {
            "show_save_and_add_another": False,
            **({} if object_id else {"show_save_and_continue": False}),
        }
        context = {**buttons, **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, dict(context))
        except Problem as problem:
            request.refusal = problem  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, dict(context))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """List what there is."""
        refuse_unstorable(request)
        return super().changelist_view(request, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, told what the service refused if it did."""
        form = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return form if refusal is None else type(form.__name__, (form,), {"refusal": refusal})

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the acts the person may do and the object's state admits; doing one twice harms nobody."""
        obj = self.get_object(request, str(object_id))
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        return [
            found
            for found in super().get_actions_detail(request, object_id)
            if obj is not None and self.offers[found.action_name.removeprefix(prefix)](obj)
        ]

    def write(self, request: HttpRequest, form: Any, obj: Any) -> Model:
        """Call the service that creates (`obj` is None) or changes, and return the stored row."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write through the service; `obj` becomes what it stored."""
        obj.__dict__.update(self.write(request, form, obj if change else None).__dict__)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: governed objects are turned off, never deleted here."""
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note that something was added, by its id: the admin's log is shared and carries no names."""
        return self._note(request, obj, ADDITION, "Added.")

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note that something was changed, by its id."""
        return self._note(request, obj, CHANGE, "Changed.")

    def _note(self, request: HttpRequest, obj: Model, flag: int, message: str) -> LogEntry:
        return LogEntry.objects.create(
            user=cast(Any, request.user),
            content_type=ContentType.objects.get_for_model(type(obj)),
            object_id=str(obj.pk),
            object_repr=f"{self.opts.verbose_name} {obj.pk}"[:200],
            action_flag=flag,
            change_message=message,
        )

    def trail_of(self, obj: Any) -> dict[str, str]:
        """Return chain and id under which the audit trail keeps the object's history."""
        return {"chain": PLATFORM_CHAIN, "object_id": str(obj.pk)}

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Lead to the object's history in the audit trail, which is the one that counts."""
        query = {"object_type": self.audit_type, **self.trail_of(self.found(request, object_id))}
        return redirect(f"{reverse('admin:trail')}?{urlencode(query)}")

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object or answer 404."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404(object_id)
        return obj

    def ask(self, request: HttpRequest, obj: Any, step: Step) -> HttpResponse:
        """Show what a step means; when confirmed, do it and return to the object."""
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"].strip()
            try:
                with audit.because(reason):
                    step.do(reason)
            except Problem as problem:
                form.refuse(problem)
            else:
                messages.success(request, step.done)
                return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", obj.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": step.title,
            "step": step,
            "form": form,
        }
        return TemplateResponse(request, "admin/confirm.html", context)
